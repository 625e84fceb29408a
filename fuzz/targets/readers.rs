//! The fuzzer of [`preflane_fuzz::readers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::readers::run(data));

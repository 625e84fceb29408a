//! The fuzzer of [`preflane_fuzz::streaming`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::streaming::run(data));

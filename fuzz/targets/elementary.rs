//! The fuzzer of [`preflane_fuzz::elementary`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::elementary::run(data));

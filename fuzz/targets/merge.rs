//! The fuzzer of [`preflane_fuzz::merge`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::merge::run(data));

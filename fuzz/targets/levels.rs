//! The fuzzer of [`preflane_fuzz::levels`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::levels::run(data));

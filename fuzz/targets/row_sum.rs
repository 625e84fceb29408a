//! The fuzzer of [`preflane_fuzz::row_sum`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::row_sum::run(data));

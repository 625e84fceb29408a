//! The fuzzer of [`preflane_fuzz::segments`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::segments::run(data));

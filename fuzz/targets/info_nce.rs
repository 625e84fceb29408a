//! The fuzzer of [`preflane_fuzz::info_nce`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::info_nce::run(data));

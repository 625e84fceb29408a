//! The fuzzer of [`preflane_fuzz::capi`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::capi::run(data));

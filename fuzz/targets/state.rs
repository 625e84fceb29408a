//! The fuzzer of [`preflane_fuzz::state`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::state::run(data));

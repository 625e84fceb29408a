//! The fuzzer of [`preflane_fuzz::pair_losses`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::pair_losses::run(data));

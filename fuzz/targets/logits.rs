//! The fuzzer of [`preflane_fuzz::logits`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| preflane_fuzz::logits::run(data));

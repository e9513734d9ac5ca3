//! libFuzzer's way into [`distributary_fuzz::predicate`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distributary_fuzz::predicate::run(input));

//! libFuzzer's way into [`distributary_fuzz::fields`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distributary_fuzz::fields::run(input));

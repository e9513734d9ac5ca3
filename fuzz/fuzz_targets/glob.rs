//! libFuzzer's way into [`distributary_fuzz::glob`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distributary_fuzz::glob::run(input));

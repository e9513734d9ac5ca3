//! libFuzzer's way into [`distributary_fuzz::index`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distributary_fuzz::index::run(input));

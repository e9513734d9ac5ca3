//! libFuzzer's way into [`distributary_fuzz::envelope`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distributary_fuzz::envelope::run(input));

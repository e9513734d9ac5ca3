//! libFuzzer's way into [`distributary_fuzz::messages`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distributary_fuzz::messages::run(input));

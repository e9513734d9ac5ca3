//! libFuzzer's way into [`distributary_fuzz::arrivals`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distributary_fuzz::arrivals::run(input));

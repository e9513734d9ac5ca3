//! libFuzzer's way into [`distributary_fuzz::websocket`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distributary_fuzz::websocket::run(input));

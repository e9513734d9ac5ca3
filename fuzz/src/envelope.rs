//! Envelopes: whatever arrives is plain, an event or unreadable; and an event that was
//! read is written and read again as itself.
//!
//! An input is a message as a channel brings it, or, with a mark added, what follows one.

use distributary::fuzzing::redis::{Opened, open, seal};

/// What an envelope begins with, its version and both flags; then room for the stamps.
const HEAD: [u8; 4] = [0x00, 0x64, 0x79, 0x11];

/// Checks one input.
pub fn run(input: &[u8]) {
    check(input);
    let marked = [&HEAD, &[7; 40][..], input].concat();
    check(&marked);
}

fn check(message: &[u8]) {
    match open(message) {
        None => assert!(!message.starts_with(&HEAD[..3])),
        Some(Err(())) => assert!(message.starts_with(&HEAD[..3])),
        Some(Ok(opened)) => {
            assert!(message.ends_with(&opened.payload));
            let sealed = seal(&opened);
            assert_eq!(open(&sealed), Some(Ok(opened.clone())));
            // Nothing of what is in front of the payload is taken for it, or left out.
            for cut in 0..sealed.len() - opened.payload.len() {
                assert_ne!(
                    open(&sealed[..cut]).and_then(Result::ok),
                    Some(Opened { ..opened.clone() })
                );
            }
        }
    }
}

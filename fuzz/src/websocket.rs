//! What WebSocket clients send, in whatever pieces, against a decoder that keeps nothing and begins anew with each byte.
//!
//! The first byte of an input is the length of the largest message allowed; the second says how many bytes behind it are the
//! sizes of pieces; the rest is what the client sends.

use distributary::fuzzing::gateway::{naive_websocket, websocket};

/// Enough to cut a frame in each of its parts.
const MAX_PIECES: u8 = 16;

/// Checks one input.
pub fn run(input: &[u8]) {
    let [most, count, rest @ ..] = input else {
        return;
    };
    let count = usize::from(count % MAX_PIECES).min(rest.len());
    let (pieces, bytes) = rest.split_at(count);
    let pieces: Vec<usize> = pieces.iter().map(|size| usize::from(*size)).collect();
    let most = usize::from(*most);

    let expected = naive_websocket(bytes, most);
    assert_eq!(websocket(bytes, &[], most), expected, "in one piece");
    assert_eq!(
        websocket(bytes, &pieces, most),
        expected,
        "in pieces of {pieces:?}"
    );
    let bytewise = vec![1; bytes.len()];
    assert_eq!(websocket(bytes, &bytewise, most), expected, "byte by byte");

    // What has been said stays said, and a violation is told as soon as it is there.
    let cut = pieces.first().copied().unwrap_or(0).min(bytes.len());
    let (said, violation) = naive_websocket(&bytes[..cut], most);
    assert_eq!(
        websocket(&bytes[..cut], &[], most),
        (said.clone(), violation.clone())
    );
    assert!(
        expected.0.starts_with(&said),
        "{said:?} but then {expected:?}"
    );
    assert!(
        violation.is_none() || violation == expected.1,
        "{violation:?} but then {expected:?}"
    );
}

//! Replies as servers gave them, in short: RESP with `|` for the line ends and texts
//! without their lengths.

use bytes::Bytes;

use crate::redis::socket::Reply;

/// Reads one reply. Panics on a typing error.
pub(super) fn reply(text: &str) -> Reply {
    let mut words = text.split('|');
    let reply = next(&mut words);
    assert_eq!(words.next(), None, "{text}");
    reply
}

fn next<'a>(words: &mut impl Iterator<Item = &'a str>) -> Reply {
    let word = words
        .next()
        .expect("a reply that does not end early")
        .trim();
    let (kind, rest) = word.split_at(1);
    let count = || rest.parse::<usize>().expect("a count");
    match kind {
        "$" => Reply::Text(Bytes::copy_from_slice(rest.as_bytes())),
        ":" => Reply::Int(rest.parse().expect("a number")),
        "_" => Reply::Nil,
        "-" => Reply::Error(rest.to_owned()),
        "*" => Reply::List((0..count()).map(|_| next(words)).collect()),
        "%" => Reply::Map((0..count()).map(|_| (next(words), next(words))).collect()),
        _ => panic!("no kind of reply: {word}"),
    }
}

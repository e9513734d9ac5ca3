//! What a reader asks a log's keys for, and what their answers are.

use bytes::Bytes;

use super::{
    keys,
    repair::{Ask, Entry, Head, Position},
};
use crate::redis::{
    socket::{Commands, Reply},
    wire::envelope::MARK,
};

/// Asks for a page of so many entries at most; before it, where `ask` says so, for the head.
pub(crate) fn ask(commands: &mut Commands, topic: &str, ask: Ask, page: usize) {
    let log = keys::log(topic);
    let page = page.to_string();
    let from = match ask {
        Ask::Newest => {
            commands.command(&[
                b"XREVRANGE",
                log.as_bytes(),
                b"+",
                b"-",
                b"COUNT",
                page.as_bytes(),
            ]);
            return;
        }
        Ask::Head { after } | Ask::Page { after } => {
            ask_head(commands, topic);
            after
        }
    };
    let from = format!("({from}-0");
    commands.command(&[
        b"XRANGE",
        log.as_bytes(),
        from.as_bytes(),
        b"+",
        b"COUNT",
        page.as_bytes(),
    ]);
}

/// Asks for a log's head; [`head_of`] reads the reply.
pub(crate) fn ask_head(commands: &mut Commands, topic: &str) {
    let head = keys::head(topic);
    commands.command(&[b"HMGET", head.as_bytes(), b"n", b"l", b"p", b"f"]);
}

/// Reads a log's head. `None` where there is none, or nothing that makes sense.
pub(crate) fn head_of(reply: &Reply) -> Option<Head> {
    let Reply::List(fields) = reply else {
        return None;
    };
    let [newest, lineage, before, fork] = &fields[..] else {
        return None;
    };
    let position = |lineage: &Reply, number: &Reply| {
        let Reply::Text(lineage) = lineage else {
            return None;
        };
        Some(Position {
            lineage: u64::from_be_bytes(lineage[..].try_into().ok()?),
            number: u64::try_from(number.as_int()?).ok()?,
        })
    };
    Some(Head {
        newest: position(lineage, newest)?,
        before: position(before, fork),
    })
}

/// Reads a page, in the order it came.
pub(crate) fn entries_of(page: Reply) -> Vec<Entry> {
    let Reply::List(entries) = page else {
        return Vec::new();
    };
    entries.into_iter().filter_map(entry_of).collect()
}

fn entry_of(entry: Reply) -> Option<Entry> {
    let Reply::List(parts) = entry else {
        return None;
    };
    let [id, Reply::List(fields)] = &parts[..] else {
        return None;
    };
    let number = id.as_str()?.split('-').next()?.parse().ok()?;
    // An entry of somebody else has no envelope: nobody can read it.
    let envelope = fields.chunks_exact(2).find_map(|pair| match pair {
        [field, Reply::Text(bytes)] if field.as_str() == Some("e") => Some(bytes.clone()),
        _ => None,
    });
    Some(match envelope {
        Some(bytes) => Entry { number, bytes },
        None => unreadable(number),
    })
}

/// An entry of which only the number is known.
pub(crate) fn unreadable(number: u64) -> Entry {
    Entry {
        number,
        bytes: Bytes::from_static(&MARK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static [u8]) -> Reply {
        Reply::Text(Bytes::from_static(text))
    }

    #[test]
    fn heads_are_read_and_nonsense_is_none() {
        let lineage = |last| text([&b"\0\0\0\0\0\0\0\x01"[..], b"\0\0\0\0\0\0\0\x02"][last]);
        let read = |fields: &[Reply]| head_of(&Reply::List(fields.to_vec()));
        let head = [text(b"12"), lineage(1), lineage(0), text(b"7")];
        let expected = Head {
            newest: Position {
                lineage: 2,
                number: 12,
            },
            before: Some(Position {
                lineage: 1,
                number: 7,
            }),
        };
        assert_eq!(read(&head), Some(expected));
        assert_eq!(head_of(&Reply::Nil), None);
        let first = [text(b"12"), lineage(1), text(b""), text(b"0")];
        assert_eq!(read(&first).map(|head| head.before), Some(None));
        assert_eq!(read(&[const { Reply::Nil }; 4]), None);
        assert_eq!(read(&head[..3]), None);
        let nonsense = [text(b"-1"), lineage(1), lineage(0), text(b"7")];
        assert_eq!(read(&nonsense), None);
    }

    #[test]
    fn pages_are_read_whatever_stands_in_them() {
        let entry = |id, fields: &[Reply]| Reply::List(vec![id, Reply::List(fields.to_vec())]);
        let page = Reply::List(vec![
            entry(text(b"3-0"), &[text(b"e"), text(b"three")]),
            entry(text(b"4-0"), &[text(b"x"), text(b"four")]),
            entry(text(b"?"), &[text(b"e"), text(b"five")]),
            Reply::Nil,
        ]);
        let entries = entries_of(page);
        let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [3, 4]);
        assert_eq!(entries[0].bytes, "three");
        assert_eq!(entries_of(Reply::Nil), []);
    }
}

//! The same protocol read the slow way: everything from the start, one byte of a
//! message at a time. It keeps no state between calls, so it cannot be confused by
//! how the bytes were cut.

use super::{Incoming, Violation};

/// What a client sent, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<(u16, String)>),
}

impl From<Incoming<'_>> for Said {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Said::Text(text.to_owned()),
            Incoming::Binary(bytes) => Said::Binary(bytes.to_owned()),
            Incoming::Ping(payload) => Said::Ping(payload.to_owned()),
            Incoming::Pong => Said::Pong,
            Incoming::Close(close) => {
                Said::Close(close.map(|(code, reason)| (code, reason.to_owned())))
            }
        }
    }
}

/// What a connection's bytes so far say, and what is wrong with them.
pub(crate) fn decode(bytes: &[u8], most: usize) -> (Vec<Said>, Option<Violation>) {
    let mut said = Vec::new();
    let mut rest = bytes.iter().copied();
    let violation = frames(&mut rest, most, &mut said).err().flatten();
    (said, violation)
}

/// Goes on to the end. `Err(None)` is the end of the bytes, or of the conversation.
fn frames(
    rest: &mut impl Iterator<Item = u8>,
    most: usize,
    said: &mut Vec<Said>,
) -> Result<(), Option<Violation>> {
    let mut open: Option<(bool, Vec<u8>)> = None;
    loop {
        let first = rest.next().ok_or(None)?;
        let (is_last, opcode) = (first >= 0x80, first % 16);
        if first / 16 % 8 != 0 {
            return Err(Some(Violation::ReservedBits));
        }
        match opcode {
            0 if open.is_none() => return Err(Some(Violation::NothingToContinue)),
            1 | 2 if open.is_some() => return Err(Some(Violation::Interrupted)),
            8..=10 if !is_last => return Err(Some(Violation::FragmentedControl)),
            3..=7 | 11.. => return Err(Some(Violation::Opcode(opcode))),
            _ => {}
        }
        let second = rest.next().ok_or(None)?;
        if second < 0x80 {
            return Err(Some(Violation::Unmasked));
        }
        let is_control = opcode >= 8;
        let (digits, least) = match second - 0x80 {
            126.. if is_control => return Err(Some(Violation::LongControl)),
            126 => (2, 126),
            127 => (8, 65_536),
            _ => (0, 0),
        };
        let mut length = if digits == 0 {
            u64::from(second - 0x80)
        } else {
            0
        };
        for _ in 0..digits {
            length = length << 8 | u64::from(rest.next().ok_or(None)?);
        }
        if length < least || length >> 63 == 1 {
            return Err(Some(Violation::Length));
        }
        let before = open.as_ref().map_or(0, |(_, bytes)| bytes.len() as u64);
        if !is_control && before + length > most as u64 {
            return Err(Some(Violation::TooLarge { most }));
        }
        let mut mask = [0; 4];
        for byte in &mut mask {
            *byte = rest.next().ok_or(None)?;
        }
        let unmasked = (0..length).map(|at| Some(rest.next()? ^ mask[at as usize % 4]));

        if is_control {
            let payload: Option<Vec<u8>> = unmasked.collect();
            control(opcode, payload.ok_or(None)?, said)?;
            continue;
        }
        let (is_text, bytes) = open.get_or_insert((opcode == 1, Vec::new()));
        for byte in unmasked {
            bytes.push(byte.ok_or(None)?);
            if *is_text && !may_become_utf8(bytes) {
                return Err(Some(Violation::NotText));
            }
        }
        if is_last {
            said.push(match open.take() {
                Some((true, bytes)) => Said::Text(text(bytes).ok_or(Violation::NotText)?),
                Some((false, bytes)) => Said::Binary(bytes),
                None => return Err(Some(Violation::NothingToContinue)),
            });
        }
    }
}

fn control(opcode: u8, payload: Vec<u8>, said: &mut Vec<Said>) -> Result<(), Option<Violation>> {
    said.push(match opcode {
        9 => Said::Ping(payload),
        10 => Said::Pong,
        _ if payload.is_empty() => Said::Close(None),
        _ if payload.len() == 1 => return Err(Some(Violation::ClosePayload)),
        _ => {
            let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
            let is_reserved = (1004..1007).contains(&code) || (1015..3000).contains(&code);
            if !(1000..=4999).contains(&code) || is_reserved {
                return Err(Some(Violation::CloseCode(code)));
            }
            let reason = text(payload[2..].to_owned()).ok_or(Violation::CloseReason)?;
            Said::Close(Some((code, reason)))
        }
    });
    match said.last() {
        Some(Said::Close(_)) => Err(None),
        _ => Ok(()),
    }
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

/// Whether these bytes begin some text, looking at the last character alone: the ones
/// before it have been looked at. The ranges are those of the Unicode standard's table
/// of well-formed UTF-8 sequences.
fn may_become_utf8(bytes: &[u8]) -> bool {
    let is_trail = |byte: u8| (0x80..=0xbf).contains(&byte);
    let trail = bytes
        .iter()
        .rev()
        .take_while(|byte| is_trail(**byte))
        .count();
    let Some(start) = bytes.len().checked_sub(trail + 1) else {
        return false;
    };
    let (length, second) = match bytes[start] {
        0x00..=0x7f => (1, 0x00..=0x00),
        0xc2..=0xdf => (2, 0x80..=0xbf),
        0xe0 => (3, 0xa0..=0xbf),
        0xed => (3, 0x80..=0x9f),
        0xe1..=0xef => (3, 0x80..=0xbf),
        0xf0 => (4, 0x90..=0xbf),
        0xf1..=0xf3 => (4, 0x80..=0xbf),
        0xf4 => (4, 0x80..=0x8f),
        _ => return false,
    };
    // A lead byte right behind an unfinished character ends it too early.
    let is_whole_before =
        trail > 0 || start == 0 || String::from_utf8(bytes[..start].to_vec()).is_ok();
    trail < length
        && bytes
            .get(start + 1)
            .is_none_or(|byte| second.contains(byte))
        && is_whole_before
}

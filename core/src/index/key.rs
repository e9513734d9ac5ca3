//! Keys: what the tests of one path come down to for a table, and what a value of that path answers.
//!
//! Whoever passes a test has the key of the test; the reverse need not hold. Prefixes, suffixes and networks become hashes: a
//! prefix is the hash of its first bytes, and a value has one such hash for each length that somebody asks for. Lengths are cut at
//! [`LONGEST`], so that nobody makes an event pay for a thousand of them.

use super::hash;
use super::intervals::Interval;
use crate::fields::ValueRef;
use crate::predicate::{Net, address_bits, mask};

/// Prefixes and suffixes are told apart up to so many bytes, or characters where case does not count.
pub(super) const LONGEST: usize = 32;

/// A class of keys of which a value has at most one.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Level {
    Equal,
    Prefix(u8),
    Suffix(u8),
    Folded,
    PrefixFolded(u8),
    SuffixFolded(u8),
    V4(u8),
    V6(u8),
}

impl Level {
    fn of_network(is_v6: bool, bits: u8) -> Self {
        if is_v6 {
            Level::V6(bits)
        } else {
            Level::V4(bits)
        }
    }
}

/// Where a test is filed: whoever passes the test has this key.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(super) enum Key {
    Hashed(Level, u64),
    Within(Interval),
    Present,
}

impl Key {
    pub(super) fn equal(value: u64) -> Self {
        Key::Hashed(Level::Equal, value)
    }

    pub(super) fn text(part: Part<'_>) -> Self {
        let (level, hash) = match part {
            Part::Begin(text) => {
                let len = text.len().min(LONGEST);
                (Level::Prefix(len as u8), hash::of(&text.as_bytes()[..len]))
            }
            Part::End(text) => {
                let len = text.len().min(LONGEST);
                (
                    Level::Suffix(len as u8),
                    hash::of(&text.as_bytes()[text.len() - len..]),
                )
            }
            Part::Folded(text) => (Level::Folded, hash::of_folded(text.chars())),
            Part::BeginFolded(text) => {
                let len = text.chars().take(LONGEST).count();
                (
                    Level::PrefixFolded(len as u8),
                    hash::of_folded(text.chars().take(len)),
                )
            }
            Part::EndFolded(text) => {
                let len = text.chars().take(LONGEST).count();
                (
                    Level::SuffixFolded(len as u8),
                    hash::of_folded(text.chars().rev().take(len)),
                )
            }
        };
        Key::Hashed(level, hash)
    }

    pub(super) fn network(net: &Net) -> Self {
        Key::Hashed(
            Level::of_network(net.is_v6(), net.length()),
            hash::of(&net.bits()),
        )
    }
}

/// What is known of the strings that pass a test. Never empty, but for the whole; folded where case does not count.
#[derive(Copy, Clone, Debug)]
pub(super) enum Part<'a> {
    Begin(&'a str),
    End(&'a str),
    Folded(&'a str),
    BeginFolded(&'a str),
    EndFolded(&'a str),
}

/// A value, and the address that it reads as once somebody has asked.
pub(super) struct Asked<'a> {
    value: &'a ValueRef<'a>,
    address: Option<Option<(bool, u128)>>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(value: &'a ValueRef<'a>) -> Self {
        Asked {
            value,
            address: None,
        }
    }

    /// The hash of the value's key of this level, if it has one.
    pub(super) fn key(&mut self, level: Level) -> Option<u64> {
        if level == Level::Equal {
            return Some(hash::of(self.value));
        }
        let text = self.value.as_str()?;
        let bytes = text.as_bytes();
        match level {
            Level::Equal => None,
            Level::Prefix(len) => Some(hash::of(bytes.get(..usize::from(len))?)),
            Level::Suffix(len) => Some(hash::of(
                &bytes[bytes.len().checked_sub(usize::from(len))?..],
            )),
            Level::Folded => Some(hash::of_folded(text.chars())),
            Level::PrefixFolded(len) => first_folded(text.chars(), len),
            Level::SuffixFolded(len) => first_folded(text.chars().rev(), len),
            Level::V4(bits) | Level::V6(bits) => {
                let (is_v6, address) = (*self
                    .address
                    .get_or_insert_with(|| text.parse().ok().map(address_bits)))?;
                (level == Level::of_network(is_v6, bits)).then(|| hash::of(&(address & mask(bits))))
            }
        }
    }
}

/// The hash of so many characters, if there are so many.
fn first_folded(chars: impl Iterator<Item = char> + Clone, len: u8) -> Option<u64> {
    let first = chars.take(usize::from(len));
    (first.clone().count() == usize::from(len)).then(|| hash::of_folded(first))
}

//! From the text of a pattern to its program, in one pass over the bytes.
//!
//! Reads as Redis' `stringmatchlen` does, byte by byte, and refuses where Redis guesses: what is accepted here
//! means the same there. The order in which a class is read matters and is Redis' own: an escape first, then the
//! closing bracket, then a range, then a plain member. Hence an escaped byte never starts a range, and a `]`
//! always closes unless it is escaped.

use super::MAX_PATTERN_BYTES;
use super::error::{PatternError, PatternErrorKind};
use super::program::{Atom, Class, Program};

pub(super) fn parse(text: &str) -> Result<Program, PatternError> {
    if text.is_empty() {
        return Err(PatternError::new(PatternErrorKind::Empty, 0, ""));
    }
    if text.len() > MAX_PATTERN_BYTES {
        let from = floor_boundary(text, MAX_PATTERN_BYTES);
        let found: String = text[from..].chars().take(16).collect();
        return Err(PatternError::new(
            PatternErrorKind::TooLong,
            MAX_PATTERN_BYTES,
            &found,
        ));
    }
    Parser { text, at: 0 }.run()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn run(mut self) -> Result<Program, PatternError> {
        let mut segments = Vec::new();
        let mut segment: Vec<Atom> = Vec::new();
        while let Some(byte) = self.peek(0) {
            match byte {
                b'*' => {
                    self.at += 1;
                    segments.push(std::mem::take(&mut segment));
                }
                b'?' => {
                    self.at += 1;
                    segment.push(Atom::Any);
                }
                b'[' => segment.push(Atom::Class(self.class()?)),
                b'\\' => {
                    let Some(escaped) = self.peek(1) else {
                        return Err(self.error(PatternErrorKind::TrailingEscape, self.at, 1));
                    };
                    self.at += 2;
                    segment.push(Atom::Byte(escaped));
                }
                _ => {
                    self.at += 1;
                    segment.push(Atom::Byte(byte));
                }
            }
        }
        segments.push(segment);
        Ok(Program::new(segments))
    }

    /// A class; stands on its `[`, and behind its `]` afterwards.
    fn class(&mut self) -> Result<Class, PatternError> {
        let open = self.at;
        self.at += 1;
        let mut class = Class::default();
        if self.peek(0) == Some(b'^') {
            class.negated = true;
            self.at += 1;
        }
        loop {
            match (self.peek(0), self.peek(1), self.peek(2)) {
                (None, ..) | (Some(b'\\'), None, _) => {
                    return Err(self.error(
                        PatternErrorKind::UnclosedClass,
                        open,
                        self.text.len() - open,
                    ));
                }
                (Some(b'\\'), Some(member), _) => {
                    self.at += 1;
                    self.member(&mut class, member, member, 1)?;
                }
                (Some(b']'), ..) => {
                    self.at += 1;
                    if class.members == [0, 0] {
                        return Err(self.error(PatternErrorKind::EmptyClass, open, self.at - open));
                    }
                    return Ok(class);
                }
                (Some(_), Some(b'-'), Some(b']')) => {
                    return Err(self.error(PatternErrorKind::UnendedRange, self.at, 3));
                }
                (Some(_), Some(b'-'), Some(b'\\')) => {
                    return Err(self.error(PatternErrorKind::EscapedRangeEnd, self.at, 3));
                }
                (Some(first), Some(b'-'), Some(last)) => self.member(&mut class, first, last, 3)?,
                (Some(member), ..) => self.member(&mut class, member, member, 1)?,
            }
        }
    }

    /// Adds the range that the next `len` bytes write.
    fn member(
        &mut self,
        class: &mut Class,
        first: u8,
        last: u8,
        len: usize,
    ) -> Result<(), PatternError> {
        if !first.is_ascii() || !last.is_ascii() {
            return Err(self.error(PatternErrorKind::NonAsciiInClass, self.at, len));
        }
        if first > last {
            return Err(self.error(PatternErrorKind::ReversedRange, self.at, len));
        }
        class.add(first, last);
        self.at += len;
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// An error about `len` bytes from `offset`, widened to whole characters in what it shows.
    fn error(&self, kind: PatternErrorKind, offset: usize, len: usize) -> PatternError {
        let start = floor_boundary(self.text, offset);
        let mut end = offset + len;
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        PatternError::new(kind, offset, &self.text[start..end])
    }
}

/// The start of the character that holds the byte at `at`, which is inside `text`.
fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

//! A listener to whom servers and publishers lie: whatever numbers messages, heads and
//! pages have, each publisher's events are handed on in order and at most once.
//!
//! An input is a sequence of choices.

use distributary::fuzzing::redis::listen;

use crate::choices::Choices;

/// Checks one input.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    listen(&mut |count| choices.below(usize::from(count)) as u8);
}

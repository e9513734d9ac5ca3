//! How much of what clients say may wait until Python hears it.
//!
//! Nobody else bounds that: in total, and each client by its share, so that one who talks
//! too much is closed before others are.

use distributary::gateway::Message;

/// How much of what clients said may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    /// The share of one client in both.
    pub(super) share: f64,
}

#[derive(Default, Clone, Copy)]
pub(super) struct Waiting {
    messages: usize,
    bytes: usize,
}

impl Room {
    /// Whether one more fits into this share. One message always fits into an empty place.
    pub(super) fn takes(&self, waiting: &Waiting, bytes: usize, share: f64) -> bool {
        let of = |most: usize| (most as f64 * share) as usize;
        waiting.messages == 0
            || (waiting.messages < of(self.messages)
                && waiting.bytes.saturating_add(bytes) <= of(self.bytes))
    }
}

impl Waiting {
    pub(super) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    pub(super) fn remove(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// What a message weighs.
pub(super) fn length(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) => bytes.len(),
    }
}

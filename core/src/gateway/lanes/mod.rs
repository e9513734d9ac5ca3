//! Lanes that own sockets: each a thread with a poll, an engine lane, and its sockets.

mod command;
mod stream;

use std::{io, sync::Arc, time::Duration};

pub(super) use command::{Arrival, Command, Inbox, Permit, SocketId, Speech};
pub(super) use stream::Stream;

use super::Shared;

pub(super) struct Lanes {
    inboxes: Vec<Inbox>,
}

impl Lanes {
    pub(super) fn start(_shared: &Arc<Shared>) -> io::Result<Self> {
        Ok(Lanes {
            inboxes: Vec::new(),
        })
    }

    /// Hands a connection to the lane with the fewest. It is counted from here on.
    pub(super) fn place(&self, arrival: Arrival) {
        let _ = (arrival, &self.inboxes);
    }

    /// Sends everybody away, spread over this time. Returns when they have gone.
    pub(super) async fn drain(&self, _over: Duration) {}

    /// Closes everybody and ends the threads.
    pub(super) async fn close(&self) {}

    /// As `close`, without waiting.
    pub(super) fn end(&self) {}
}

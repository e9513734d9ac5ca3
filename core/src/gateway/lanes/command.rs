//! What a lane is told from other threads.

use std::{any::Any, sync::Arc};

use bytes::Bytes;

use super::Stream;
use crate::gateway::{
    hooks::{Message, Session},
    verdict::Grant,
};

/// Names a socket of a gateway: lane, place, and how often the place was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gateway) struct SocketId {
    pub(super) place: u32,
    pub(super) generation: u32,
}

impl SocketId {
    pub(in crate::gateway) fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Speech {
    /// WebSocket, payloads as they are.
    Plain,
    /// WebSocket, the JSON protocol.
    Json,
    Sse,
}

/// What admission counted for a connection, counted down when it is dropped.
pub(in crate::gateway) type Permit = Box<dyn Any + Send>;

/// A connection that was let in.
pub(in crate::gateway) struct Arrival {
    pub(in crate::gateway) stream: Stream,
    /// The answer to its request, still to be written: the head of a 101 or 200.
    pub(in crate::gateway) head: Bytes,
    /// What was read behind the request.
    pub(in crate::gateway) read_ahead: Bytes,
    pub(in crate::gateway) speech: Speech,
    pub(in crate::gateway) grant: Arc<Grant>,
    pub(in crate::gateway) session: Session,
    /// `Last-Event-ID`, or `from` of the URL: where the selectors of the grant resume.
    pub(in crate::gateway) resume: Option<String>,
    /// The ticket to tell the client in the JSON protocol's welcome.
    pub(in crate::gateway) ticket: Option<String>,
    /// Dropped when the connection has ended: counts it down, starts its ticket's time.
    pub(in crate::gateway) permit: Permit,
}

/// What a lane is told about one of its sockets.
pub(in crate::gateway) enum Command {
    Send(SocketId, Message),
    Close(SocketId, String),
}

/// Where commands to one lane are posted.
#[derive(Clone)]
pub(in crate::gateway) struct Inbox;

impl Inbox {
    pub(in crate::gateway) fn post(&self, _command: Command) {}
}

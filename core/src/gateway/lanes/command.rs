//! What a lane is told from other threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Stream, numbers};
use crate::{
    gateway::{
        ended::{CloseCode, Ended},
        hooks::{Granted, Message, Session},
        verdict::{Grant, Wish},
    },
    hub::Hub,
    lane::Remote,
    sync::{Queue, StdArc},
    wake::contained,
};

/// Names a socket of one lane: its place, and how often the place was taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gateway) struct SocketId {
    /// Which lane of the gateway.
    pub(super) lane: u16,
    pub(super) place: u32,
    pub(super) generation: u32,
}

impl SocketId {
    pub(in crate::gateway) fn to_u64(self) -> u64 {
        u64::from(self.generation & 0xffff) << 48
            | u64::from(self.lane) << 32
            | u64::from(self.place)
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
pub(in crate::gateway) type Permit = Box<dyn Leave + Send>;

/// What becomes of a permit.
pub(in crate::gateway) trait Leave {
    /// The client is not to come back by what it was given: the application has closed
    /// it.
    fn forbid(&mut self);
}

/// A connection that was let in.
pub(in crate::gateway) struct Arrival<T = Stream> {
    pub(in crate::gateway) stream: T,
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

impl<T> Arrival<T> {
    /// The same with what becomes of its stream.
    pub(super) fn try_map<U, E>(
        self,
        adopt: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Arrival<U>, E> {
        Ok(Arrival {
            stream: adopt(self.stream)?,
            head: self.head,
            read_ahead: self.read_ahead,
            speech: self.speech,
            grant: self.grant,
            session: self.session,
            resume: self.resume,
            ticket: self.ticket,
            permit: self.permit,
        })
    }
}

/// What a lane is told.
pub(in crate::gateway) enum Command {
    Arrive(Box<Arrival>),
    /// A message of the application for one client.
    Send(SocketId, Message),
    /// The application subscribes one client to more, under this number.
    Subscribe(SocketId, u32, Box<Wish>),
    /// The application ends a subscription that it made for one client.
    Unsubscribe(SocketId, u32),
    /// The application closes one client, with this code, if not the usual one, and reason.
    Close(SocketId, Ended, Option<CloseCode>, String),
    /// The application's answer to the wish of this serial number; none when it panicked.
    Granted(SocketId, u32, Box<Option<Granted>>),
    /// Everybody goes, spread over this time. Answered when nobody is left.
    Drain(Duration, oneshot::Sender<()>),
    /// Everybody goes now, and the thread ends. Answered when it does.
    End(Option<oneshot::Sender<()>>),
}

/// Where commands to one lane are posted. Cheap to clone.
#[derive(Clone)]
pub(in crate::gateway) struct Inbox(Arc<Letters>);

struct Letters {
    commands: Queue<(u64, Command)>,
    /// Wakes the lane for a command.
    remote: Remote,
    clock: Hub,
    /// Connections that the lane has, or that are on their way to it.
    load: AtomicUsize,
    /// Subscriptions that the application has made for clients.
    made: AtomicU32,
    /// Cleared when the thread ends, for whatever reason.
    alive: AtomicBool,
}

impl Inbox {
    pub(super) fn new(hub: &Hub, remote: Remote) -> Self {
        Inbox(StdArc::new(Letters {
            commands: Queue::new(),
            remote,
            clock: hub.clone(),
            load: AtomicUsize::new(0),
            made: AtomicU32::new(0),
            alive: AtomicBool::new(true),
        }))
    }

    /// Never waits. A command to a lane that has ended is dropped: its connection closes,
    /// and who waits for an answer sees that none will come.
    pub(in crate::gateway) fn post(&self, command: Command) {
        let posted = self.0.clock.core().clock.now();
        self.0.commands.push((posted, command));
        match self.is_alive() {
            true => self.0.remote.call(),
            false => self.abandon(),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.0.alive.load(Ordering::SeqCst)
    }

    /// The thread has ended. Whoever posts after this abandons it itself.
    pub(super) fn end(&self) {
        self.0.alive.store(false, Ordering::SeqCst);
        self.abandon();
    }

    fn abandon(&self) {
        while let Some((_, command)) = self.take() {
            // What an arrival carries is the application's.
            contained(|| drop(command));
        }
    }

    /// A number for a subscription that the application makes for a client.
    pub(in crate::gateway) fn number(&self) -> u32 {
        let nth = self.0.made.fetch_add(1, Ordering::Relaxed);
        numbers::of_the_application(nth)
    }

    /// The oldest command, and when it was posted.
    pub(super) fn take(&self) -> Option<(u64, Command)> {
        self.0.commands.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.commands.is_empty()
    }

    pub(super) fn load(&self) -> usize {
        self.0.load.load(Ordering::Relaxed)
    }

    pub(super) fn count_in(&self) {
        self.0.load.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_out(&self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
    }
}

//! A shard over lines that exist in memory only: what the tests of a lane pull at, and
//! what a measurement of lanes without a kernel runs on.

use std::sync::Arc;
#[cfg(test)]
use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, IoSlice},
    rc::Rc,
};

use bytes::Bytes;

use super::{
    command::{Arrival, Inbox, Leave, Speech},
    shard::Shard,
    stream::Transport,
};
use crate::{
    gateway::{
        Shared,
        hooks::Hooks,
        limits::Limits,
        verdict::{Accept, Grant, Reject},
        wire::encoder::Encoder,
    },
    hub::Hub,
    lane::Lane,
};

/// One end of a line: what the shard wrote, and what it will read.
#[cfg(test)]
#[derive(Clone, Default)]
pub(in crate::gateway) struct Line(pub(super) Rc<RefCell<Ends>>);

#[cfg(test)]
#[derive(Default)]
pub(super) struct Ends {
    /// Bytes that the line takes before it is full; none for no end of them.
    pub(super) room: Option<usize>,
    pub(super) sent: Vec<u8>,
    pub(super) input: VecDeque<u8>,
    /// The client has ended its side.
    pub(super) over: bool,
    /// The line is cut.
    pub(super) broken: bool,
    /// The shard has ended its side.
    pub(super) finished: bool,
}

#[cfg(test)]
impl Transport for Line {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send_slices(&[IoSlice::new(bytes)])
    }

    fn send_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let ends = &mut *self.0.borrow_mut();
        if ends.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        assert!(!ends.finished, "written to after its end");
        let before = ends.sent.len();
        for slice in slices {
            let room = ends.room.unwrap_or(usize::MAX);
            let taken = slice.len().min(room);
            ends.sent.extend_from_slice(&slice[..taken]);
            ends.room = ends.room.map(|room| room - taken);
        }
        match ends.sent.len() - before {
            0 if slices.iter().any(|slice| !slice.is_empty()) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            sent => Ok(sent),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let ends = &mut *self.0.borrow_mut();
        if ends.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let n = buffer.len().min(ends.input.len());
        if n == 0 && !ends.over {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for (to, from) in buffer.iter_mut().zip(ends.input.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }

    fn finish(&self) {
        self.0.borrow_mut().finished = true;
    }

    fn abort(&self) {}
}

/// Hooks of an application that has nothing to say.
pub(in crate::gateway) fn silent() -> Hooks {
    Hooks {
        session: std::any::TypeId::of::<()>(),
        authorize: Box::new(|_| Box::pin(async { Err(Reject::forbidden()) })),
        opened: None,
        wish: None,
        message: None,
        ended: None,
    }
}

/// A shard of its own.
pub(in crate::gateway) fn shard<T: Transport>(hub: &Hub, hooks: Hooks, limits: Limits) -> Shard<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without I/O needs nothing of the system");
    let lane = Lane::with_limits(hub, limits.slice);
    let inbox = Inbox::new(hub, lane.remote());
    let meters = Arc::default();
    let encoder = Encoder::new(limits.fragment, Arc::clone(&meters));
    let shared = Arc::new(Shared {
        hub: hub.clone(),
        hooks,
        limits,
        paths: Vec::new(),
        json: true,
        meters,
        runtime: runtime.handle().clone(),
    });
    Shard::new(&shared, &encoder, lane, inbox, 0)
}

/// A permit of a place where nobody counts.
struct Anybody;

impl Leave for Anybody {
    fn forbid(&mut self) {}
}

/// A connection that is let in.
pub(in crate::gateway) fn arrival<T>(stream: T, speech: Speech, accept: Accept<()>) -> Arrival<T> {
    Arrival {
        stream,
        head: Bytes::new(),
        read_ahead: Bytes::new(),
        speech,
        grant: Arc::<Grant>::new(accept.grant),
        session: Arc::new(()),
        resume: None,
        ticket: None,
        permit: Box::new(Anybody),
    }
}

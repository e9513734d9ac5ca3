//! One connection, as its lane keeps it.

use std::{io, sync::Arc};

use smallvec::SmallVec;

use super::{
    command::{Permit, Speech},
    marks::Marks,
    outbox::{Flushed, Outbox, STRETCH},
    stream::Transport,
};
use crate::{
    event::{Event, Position},
    gateway::{
        hooks::Session,
        meters::Meters,
        verdict::Grant,
        wire::{
            decode::Decoder,
            encoder::{Kind, Recent},
            frame::Frame,
            sse,
        },
    },
    lane::MemberId,
};

/// Events whose frames are written in one call.
const TOGETHER: usize = 16;

/// In this order in memory: a walk over thousands of sockets touches the first few fields
/// of each, and each line of a cache that it needs is one that it waits for.
#[repr(C)]
pub(super) struct Connection<T> {
    pub(super) transport: T,
    pub(super) outbox: Outbox,
    /// When something was written last, or there was nothing to write, in milliseconds on
    /// the lane's clock.
    pub(super) progress: u64,
    pub(super) stage: Stage,
    pub(super) speech: Speech,
    /// In which form it gets events, but for the number of the subscription.
    pub(super) kind: Kind,
    /// Its client has ended the stream: nothing is written to it any more.
    pub(super) leaving: bool,
    /// Its end has come up, and follows soon.
    pub(super) doomed: bool,
    /// Where an SSE client of several topics stands.
    pub(super) marks: Option<Box<Marks>>,
    pub(super) decoder: Decoder,
    /// Its subscriptions, by their [numbers](super::numbers).
    pub(super) members: SmallVec<[Member; 1]>,
    /// Subscriptions that the application is being asked about.
    pub(super) wishes: SmallVec<[Wished; 1]>,
    pub(super) grant: Arc<Grant>,
    pub(super) session: Session,
    /// Milliseconds on the lane's clock: when something was read.
    pub(super) heard: u64,
    /// When a ping was sent that nothing has been heard after.
    pub(super) pinged: Option<u64>,
    /// The due time of the only entry in the wheel that counts.
    pub(super) armed: u64,
    /// Counted as stalled.
    pub(super) stalled: bool,
    /// Stands in the queue of those that were paused.
    pub(super) hungry: bool,
    /// Stands in the queue of those that have more to read.
    pub(super) unread: bool,
    /// What it has sent is being taken in; answers are written together afterwards.
    pub(super) corked: bool,
    /// Dropped last: counts the connection down.
    pub(super) permit: Permit,
}

/// A subscription of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) number: u32,
    /// How many topics and patterns it names.
    pub(super) names: u32,
    pub(super) id: MemberId,
}

/// A wish that has not been answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wished {
    /// The number that the client chose; it may choose it again once it has withdrawn.
    pub(super) number: u32,
    /// How many topics and patterns it names.
    pub(super) names: u32,
    /// Tells wishes of one number apart.
    pub(super) serial: u32,
    /// It still counts: the application is at work on it.
    pub(super) withdrawn: bool,
}

/// How far its end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being taken in; nothing is written until that is done.
    Arriving,
    Open,
    /// It is out of the index, and its goodbye is being written or answered.
    Closing {
        /// Given up then, in milliseconds on the lane's clock.
        until: u64,
        /// Nothing is awaited from the client: over once everything is written.
        answered: bool,
        /// Whether the end of what is sent has been said.
        finished: bool,
        /// Bytes that are still read for the sake of an answer.
        left: usize,
    },
}

/// What became of a delivery.
pub(super) enum Delivered {
    All,
    /// So many were taken, and one more stretch may be written once others had theirs.
    Some {
        taken: usize,
        paused: bool,
    },
    Broken,
}

impl<T: Transport> Connection<T> {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Arriving | Stage::Open)
    }

    /// Whether events are written to it.
    pub(super) fn is_served(&self) -> bool {
        self.is_open() && !self.leaving && !self.doomed
    }

    /// Whether it is read any more: one that is being closed is not read for ever.
    pub(super) fn is_heard(&self) -> bool {
        !matches!(self.stage, Stage::Closing { left: 0, .. })
    }

    /// In which form it gets the events of a subscription.
    fn kind(&self, number: u32) -> Kind {
        match self.kind {
            Kind::Json(_) => Kind::Json(number),
            Kind::Sse if self.marks.is_some() => Kind::SseWithoutId,
            kind => kind,
        }
    }

    /// Writes events, as many as the system takes, up to a stretch of bytes.
    pub(super) fn deliver(
        &mut self,
        number: u32,
        events: &[Event],
        recent: &mut Recent,
        meters: &Meters,
        now: u64,
    ) -> Delivered {
        if !self.outbox.is_empty() {
            return Delivered::Some {
                taken: 0,
                paused: false,
            };
        }
        let (mut taken, mut written) = (0, 0);
        let result = self.write(number, events, recent, &mut taken, &mut written);
        meters.wrote(written);
        if written > 0 {
            self.progress = now;
        }
        match result {
            Err(_) => Delivered::Broken,
            Ok(()) if taken == events.len() && self.outbox.is_empty() => Delivered::All,
            Ok(()) => Delivered::Some {
                taken,
                paused: !self.outbox.is_blocked(),
            },
        }
    }

    fn write(
        &mut self,
        number: u32,
        events: &[Event],
        recent: &mut Recent,
        taken: &mut usize,
        written: &mut u64,
    ) -> io::Result<()> {
        let kind = self.kind(number);
        if let ([event], None) = (events, &self.marks) {
            let frame = std::slice::from_ref(recent.frame(event, kind));
            *taken = self.outbox.write(&self.transport, frame, written)?;
            if *taken == 1 {
                recent.count(event, kind);
            }
            return Ok(());
        }
        while *taken < events.len() && self.outbox.is_empty() && *written < STRETCH as u64 {
            let together = &events[*taken..events.len().min(*taken + TOGETHER)];
            let mut frames = SmallVec::<[Frame; TOGETHER]>::new();
            let mut stood = SmallVec::<[Option<Position>; TOGETHER]>::new();
            for event in together {
                let frame = recent.frame(event, kind).clone();
                frames.push(match &mut self.marks {
                    None => frame,
                    Some(marks) => {
                        stood.push(marks.set(number, event.topic(), event.position()));
                        frame.with_tail(sse::id(&marks.id().unwrap_or_default()))
                    }
                });
            }
            let sent = self.outbox.write(&self.transport, &frames, written)?;
            if let Some(marks) = &mut self.marks {
                // What was not sent must not be in the ids of other subscriptions.
                for (event, stood) in together.iter().zip(stood).skip(sent).rev() {
                    marks.set_back(number, event.topic(), stood);
                }
            }
            for event in &together[..sent] {
                recent.count(event, kind);
            }
            *taken += sent;
        }
        Ok(())
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self, meters: &Meters, now: u64) -> io::Result<Flushed> {
        let mut written = 0;
        let flushed = self.outbox.flush(&self.transport, &mut written);
        meters.wrote(written);
        if written > 0 {
            self.progress = now;
        }
        flushed
    }
}

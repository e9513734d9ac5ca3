//! What waits to be written to one socket: at most one frame under way, the socket's
//! own few messages, and control frames.
//!
//! Events do not wait here; they wait in their feed. So a stalled socket holds a
//! reference to one shared frame and an offset into it.
//!
//! # Order
//!
//! Control frames go first, between the fragments of the message under way if need be.
//! Then that message, then the socket's own messages (*notes*), then events again.

use std::{collections::VecDeque, io, ops::ControlFlow};

use bytes::Bytes;

use super::Transport;
use crate::gateway::wire::frame::{Frame, Slices};

/// Bytes written to one socket before the others have their turn.
pub(super) const STRETCH: usize = 256 << 10;
/// Notes that may wait, in bytes: a client that does not read its answers is not owed
/// more.
const NOTES: usize = 64 << 10;
/// Bytes of notes that are copied to go out in one write.
const TOGETHER: usize = 16 << 10;
/// Control frames that may wait: answers to pings, a ping, a close. Pings that come
/// together are all answered, as some clients expect, unless there are more.
const CONTROLS: usize = 16;

#[derive(Default)]
pub(super) struct Outbox {
    /// The message under way, and how much of it has been written.
    current: Option<(Frame, usize)>,
    /// Absent while there is nothing but events to send.
    own: Option<Box<Own>>,
    /// The system took less than it was offered, and will say when it takes more.
    blocked: bool,
}

#[derive(Default)]
struct Own {
    controls: VecDeque<Bytes>,
    /// How much of the first control frame has been written.
    written: usize,
    notes: VecDeque<Frame>,
    /// Bytes of the notes.
    bytes: usize,
    /// The message under way is given up once its fragment is through.
    ending: bool,
    /// A last message, unless one is given up in the middle: it would be taken for its
    /// continuation.
    farewell: Option<Bytes>,
}

impl Own {
    /// Makes one of all control frames, unless the first has begun.
    fn join_controls(&mut self) {
        if self.written == 0 && self.controls.len() > 1 {
            let all: Vec<u8> = self.controls.drain(..).flatten().collect();
            self.controls.push_back(all.into());
        }
    }

    /// The first note, with as many of the next as are worth a copy to go out with it.
    fn take_notes(&mut self) -> Option<Frame> {
        let first = self.notes.pop_front()?;
        self.bytes -= first.len();
        let Some(mut all) = first.as_run().map(<[u8]>::to_vec) else {
            return Some(first);
        };
        let alone = all.len();
        while let Some(run) = self.notes.front().and_then(Frame::as_run)
            && all.len() + run.len() <= TOGETHER
        {
            all.extend_from_slice(run);
            self.bytes -= run.len();
            self.notes.pop_front();
        }
        match all.len() == alone {
            true => Some(first),
            false => Some(Frame::run(all.into())),
        }
    }
}

/// How a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Everything has been written.
    Empty,
    /// The system takes no more now.
    Blocked,
    /// It would take more, but others have their turn.
    Paused,
}

impl Outbox {
    /// Whether events may be written now.
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none() && self.own.is_none() && !self.blocked
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The system takes more again.
    pub(super) fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Adds a control frame. Of answers to pings the last is enough, so beyond a few the
    /// new one takes the place of the one before.
    pub(super) fn control(&mut self, frame: Bytes) {
        let own = self.own.get_or_insert_default();
        if own.controls.len() >= CONTROLS {
            own.controls.pop_back();
        }
        own.controls.push_back(frame);
    }

    /// Adds a message of the socket's own. False when too many wait; one may be of any size.
    #[must_use]
    pub(super) fn note(&mut self, note: Frame) -> bool {
        let own = self.own.get_or_insert_default();
        own.bytes += note.len();
        own.notes.push_back(note);
        own.notes.len() == 1 || own.bytes <= NOTES
    }

    /// Nothing is sent any more but what is under way, this last message if it may follow,
    /// and this last control frame.
    pub(super) fn end_with(&mut self, farewell: Option<Bytes>, last: Option<Bytes>) {
        let own = self.own.get_or_insert_default();
        own.notes.clear();
        own.farewell = farewell;
        // One that has begun must be finished.
        own.controls.truncate(usize::from(own.written > 0));
        own.controls.extend(last);
        own.ending = true;
    }

    /// Writes what waits, as far as the system takes it.
    pub(super) fn flush(&mut self, to: &impl Transport, written: &mut u64) -> io::Result<Flushed> {
        let mut left = STRETCH;
        while !self.blocked {
            if left == 0 {
                return Ok(Flushed::Paused);
            }
            match self.step(to, left)? {
                ControlFlow::Continue(sent) => {
                    left = left.saturating_sub(sent);
                    *written += sent as u64;
                }
                ControlFlow::Break(()) => return Ok(Flushed::Empty),
            }
        }
        Ok(Flushed::Blocked)
    }

    /// One write. Breaks when nothing is left.
    fn step(&mut self, to: &impl Transport, most: usize) -> io::Result<ControlFlow<(), usize>> {
        let ending = self.own.as_ref().is_some_and(|own| own.ending);
        if ending {
            self.cut();
        }
        let controls = self
            .own
            .as_ref()
            .is_some_and(|own| !own.controls.is_empty());
        let between = match &self.current {
            Some((frame, at)) => frame.is_boundary(*at),
            None => true,
        };
        if controls && between {
            return self.write_control(to).map(ControlFlow::Continue);
        }
        if let Some((frame, at)) = &mut self.current {
            let until = match controls || ending {
                true => frame.next_boundary(*at),
                false => frame.len().min(*at + most),
            };
            let mut slices = Slices::new();
            let end = frame.slices(*at, until, &mut slices);
            let sent = attempt(|| to.send_slices(&slices))?;
            drop(slices);
            self.blocked = sent < end - *at;
            *at += sent;
            if *at == frame.len() {
                self.current = None;
            }
            return Ok(ControlFlow::Continue(sent));
        }
        let note = self.own.as_mut().and_then(|own| own.take_notes());
        match note {
            Some(note) => {
                self.current = Some((note, 0));
                Ok(ControlFlow::Continue(0))
            }
            None => {
                self.own = None;
                Ok(ControlFlow::Break(()))
            }
        }
    }

    /// Gives up the message under way if it stands between two fragments, and has the last
    /// one follow if it may.
    fn cut(&mut self) {
        let cut = self.current.take_if(|(frame, at)| frame.is_boundary(*at));
        let Some(own) = &mut self.own else {
            return;
        };
        if cut.is_some_and(|(_, at)| at > 0) {
            own.farewell = None;
        }
        if self.current.is_none()
            && let Some(farewell) = own.farewell.take()
        {
            own.controls.insert(usize::from(own.written > 0), farewell);
        }
    }

    fn write_control(&mut self, to: &impl Transport) -> io::Result<usize> {
        let Some(own) = &mut self.own else {
            return Ok(0);
        };
        own.join_controls();
        let Some(frame) = own.controls.front() else {
            return Ok(0);
        };
        let sent = attempt(|| to.send(&frame[own.written..]))?;
        own.written += sent;
        self.blocked = own.written < frame.len();
        if !self.blocked {
            own.controls.pop_front();
            own.written = 0;
        }
        Ok(sent)
    }

    /// Writes whole frames from their beginning, in one call. Only when
    /// [empty](Outbox::is_empty). How many of them need not be offered again: those that
    /// were written, and one that has begun.
    pub(super) fn write(
        &mut self,
        to: &impl Transport,
        frames: &[Frame],
        written: &mut u64,
    ) -> io::Result<usize> {
        debug_assert!(self.is_empty());
        let mut offered = 0;
        let mut sent = match frames {
            [] => return Ok(0),
            [frame] if frame.as_run().is_some() => {
                let run = frame.as_run().unwrap_or_default();
                offered = run.len();
                attempt(|| to.send(run))?
            }
            frames => {
                let mut slices = Slices::new();
                for frame in frames {
                    let end = frame.slices(0, frame.len().min(STRETCH), &mut slices);
                    offered += end;
                    if end < frame.len() || slices.len() == slices.inline_size() {
                        break;
                    }
                }
                attempt(|| to.send_slices(&slices))?
            }
        };
        *written += sent as u64;
        self.blocked = sent < offered;
        for (done, frame) in frames.iter().enumerate() {
            if sent == 0 {
                return Ok(done);
            }
            if sent < frame.len() {
                self.current = Some((frame.clone(), sent));
                return Ok(done + 1);
            }
            sent -= frame.len();
        }
        Ok(frames.len())
    }
}

/// What was sent; nothing when the system takes nothing now.
fn attempt(send: impl Fn() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match send() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            result => return result,
        }
    }
}

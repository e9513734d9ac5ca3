//! How a connection ends.
//!
//! First it leaves the engine's index: from then on no event is written to it. Then it
//! is told why, if it can be told; then its answer is awaited, for a while. Each
//! connection is counted as ended once, with the first reason that came up.

use std::sync::{Arc, atomic::Ordering};

use super::{command::Speech, connection::Stage, millis, shard::Shard, stream::Transport};
use bytes::Bytes;

use crate::gateway::{
    ended::Ended,
    wire::{
        frame::{self, Opcode},
        json, sse,
    },
};

/// Bytes that a client may send behind our goodbye before its own: what was on its way.
const AWAITED: usize = 256 << 10;

impl<T: Transport> Shard<T> {
    /// Ends a connection from this side.
    pub(super) fn end(&mut self, place: u32, ended: Ended, reason: Option<String>) {
        match ended {
            // There is nobody to tell, or nobody who would hear it.
            Ended::Broken | Ended::Silent | Ended::WriteTimeout => {
                if let Some(connection) = self.berths.at(place) {
                    connection.transport.abort();
                }
                self.gone(place, ended);
            }
            _ => {
                let reason = reason.unwrap_or_else(|| ended.to_string());
                self.end_with(place, ended, ended.close_code(), &reason);
            }
        }
    }

    /// Ends a connection from this side, with this code if it is a WebSocket.
    pub(super) fn end_with(&mut self, place: u32, ended: Ended, code: u16, reason: &str) {
        let last = frame::close(code, reason);
        self.begin_goodbye(place, ended, None, last, false);
    }

    /// The client says goodbye: it is answered in kind.
    pub(super) fn goodbye(&mut self, place: u32, code: Option<u16>) {
        let last = match code {
            Some(code) => frame::close(code, ""),
            None => frame::control(Opcode::Close, &[]),
        };
        self.begin_goodbye(place, Ended::Left, None, last, true);
    }

    fn begin_goodbye(
        &mut self,
        place: u32,
        ended: Ended,
        farewell: Option<Bytes>,
        last: Bytes,
        answered: bool,
    ) {
        let until = self
            .berths
            .now
            .saturating_add(millis(self.shared.limits.close_timeout));
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if !connection.is_open() {
            return;
        }
        connection.stage = Stage::Closing {
            until,
            answered,
            finished: false,
            left: AWAITED,
        };
        let last = (connection.speech != Speech::Sse).then_some(last);
        connection.outbox.end_with(farewell, last);
        self.berths.meters.closing.fetch_add(1, Ordering::Relaxed);
        self.take_leave(place, ended);
        self.arm(place, until);
        self.flush(place);
    }

    /// Takes a connection out of the index and tells the application.
    fn take_leave(&mut self, place: u32, ended: Ended) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        connection.wishes.clear();
        if matches!(ended, Ended::Application | Ended::Panicked) {
            connection.permit.forbid();
        }
        for member in std::mem::take(&mut connection.members) {
            self.lane.unsubscribe(member.id);
        }
        self.berths.meters.ended_one(ended);
        if self.shared.hooks.ended.is_none() {
            return;
        }
        let handle = self.handle(place);
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        let session = Arc::clone(&connection.session);
        self.ask(|shared| {
            if let Some(hook) = &shared.hooks.ended {
                hook(&handle, &session, ended);
            }
        });
    }

    /// The last word has been written.
    pub(super) fn said_goodbye(&mut self, place: u32) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        let Stage::Closing {
            answered, finished, ..
        } = &mut connection.stage
        else {
            return;
        };
        if !std::mem::replace(finished, true) {
            connection.transport.finish();
        }
        if *answered {
            self.remove(place);
        }
    }

    /// The client has answered the goodbye.
    pub(super) fn goodbye_answered(&mut self, place: u32) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if let Stage::Closing {
            answered, finished, ..
        } = &mut connection.stage
        {
            *answered = true;
            if *finished {
                self.remove(place);
            }
        }
    }

    /// The other end is no longer there.
    pub(super) fn gone(&mut self, place: u32, ended: Ended) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if connection.is_open() {
            self.take_leave(place, ended);
        }
        self.remove(place);
    }

    /// Closes the socket and gives its place back.
    fn remove(&mut self, place: u32) {
        if let Some(connection) = self.berths.remove(place) {
            self.bury(place, connection);
        }
        self.drained();
    }

    /// A connection's time has come: to be pinged, or to be given up.
    pub(super) fn look_after(&mut self, place: u32) {
        let now = self.berths.now;
        let limits = &self.shared.limits;
        let (every, timeout) = (millis(limits.ping_every), millis(limits.ping_timeout));
        let write_timeout = millis(limits.write_timeout);
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if let Stage::Closing { until, .. } = connection.stage {
            if now >= until {
                connection.transport.abort();
                return self.remove(place);
            }
            return self.arm(place, until);
        }
        let mut due = u64::MAX;
        if connection.outbox.is_blocked() {
            let late = connection.progress.saturating_add(write_timeout);
            if now >= late {
                return self.end(place, Ended::WriteTimeout, None);
            }
            due = late;
        }
        match (connection.speech, connection.pinged) {
            (Speech::Sse, _) => {
                let quiet = connection.progress.saturating_add(every);
                if now >= quiet && connection.outbox.is_empty() {
                    due = due.min(now.saturating_add(every));
                    self.tell(place, sse::KEEP_ALIVE);
                } else {
                    due = due.min(quiet.max(now.saturating_add(every / 4)));
                }
            }
            (_, Some(pinged)) => {
                // While it still takes what stands before the ping it cannot answer it.
                let pinged = match connection.outbox.is_empty() {
                    true => pinged,
                    false => pinged.max(connection.progress),
                };
                if now >= pinged.saturating_add(timeout) {
                    return self.end(place, Ended::Silent, None);
                }
                // Once it has answered, the next ping is not to wait for this timeout.
                due = due
                    .min(pinged.saturating_add(timeout))
                    .min(now.saturating_add(every));
            }
            (_, None) => {
                let quiet = connection.heard.saturating_add(every);
                if now >= quiet {
                    connection.pinged = Some(now);
                    connection.outbox.control(frame::control(Opcode::Ping, &[]));
                    due = due.min(now.saturating_add(timeout.min(every)));
                    self.flush(place);
                } else {
                    due = due.min(quiet);
                }
            }
        }
        self.arm(place, due);
    }

    /// Sends a connection away for a deploy, with a hint when to come back.
    pub(super) fn send_away(&mut self, place: u32) {
        if !self.berths.at(place).is_some_and(|it| it.is_open()) {
            return;
        }
        let wait = self.shared.limits.come_back();
        let millis = millis(wait);
        let farewell = match self.berths.at(place).map(|connection| connection.speech) {
            Some(Speech::Json) => Some(frame::text(json::reconnect(millis))),
            Some(Speech::Sse) => Some(sse::retry(millis)),
            Some(Speech::Plain) | None => None,
        };
        let reason = format!("service restart: reconnect after {millis} ms");
        let last = frame::close(Ended::Drained.close_code(), &reason);
        self.begin_goodbye(place, Ended::Drained, farewell, last, false);
    }
}

//! Events as commands.

use super::{Server, channels::Ticket, parcel::Parcel};
use crate::redis::{
    arrival::Stamp,
    log::script::{self, Publish, Retention},
    socket::Commands,
    wire::envelope::{self, Stamps},
};

/// What commands to one connection depend on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wire {
    pub(super) server: Server,
    /// It was given the script.
    pub(super) knows_script: bool,
}

impl Wire {
    pub(super) fn new(server: Server) -> Self {
        Wire {
            server,
            knows_script: false,
        }
    }
}

/// Writes commands, into buffers that are used again.
#[derive(Default)]
pub(super) struct Encoder {
    envelope: Vec<u8>,
}

/// A buffer that one large event has grown beyond this is given back.
const KEPT: usize = 256 * 1024;

impl Encoder {
    /// Adds one event to a pipeline: in an envelope if it has a ticket, to its log if that
    /// has keys.
    pub(super) fn write(
        &mut self,
        commands: &mut Commands,
        parcel: &Parcel,
        ticket: Option<Ticket<'_>>,
        wire: &mut Wire,
        retention: &Retention,
        now: Stamp,
    ) {
        let channel = parcel.topic().as_str();
        let verb: &[u8] = if wire.server.sharded {
            b"SPUBLISH"
        } else {
            b"PUBLISH"
        };
        let Some(ticket) = ticket else {
            commands.command(&[verb, channel.as_bytes(), parcel.event.payload()]);
            return;
        };
        self.envelope.clear();
        let age = now.instant.saturating_duration_since(parcel.at);
        let stamps = Stamps {
            publisher: ticket.publisher,
            serial: parcel.serial,
            micros: now.micros.saturating_sub(age.as_micros() as u64),
            ..Stamps::default()
        };
        envelope::encode(&stamps, &parcel.event, &mut self.envelope);
        match ticket.keys {
            None => {
                commands.command(&[verb, channel.as_bytes(), &self.envelope]);
            }
            Some(keys) => {
                let head = &self.envelope[..envelope::LINEAGE.start];
                let publish = Publish {
                    channel,
                    keys,
                    sharded: wire.server.sharded,
                    server: wire.server.id.map(u64::to_be_bytes),
                    fresh: fastrand::u64(1..).to_be_bytes(),
                    serial: parcel.serial,
                    after: ticket.after,
                    head,
                    rest: &self.envelope[envelope::NUMBER.end..],
                };
                let whole = !std::mem::replace(&mut wire.knows_script, true);
                script::write(commands, &publish, retention, whole);
            }
        }
        if self.envelope.capacity() > KEPT {
            self.envelope = Vec::new();
        }
    }
}

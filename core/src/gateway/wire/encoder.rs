//! One frame per event and kind, for all lanes.
//!
//! The first lane that needs an event in a kind makes the frame; the others find it
//! here as long as anybody holds it. Each lane keeps what it sent last at hand
//! ([`Recent`]), so that a walk over thousands of sockets asks for the shared table
//! once. A compressed form, once there is one, is one more [`Kind`].
//!
//! # Invariants
//!
//! - An event's address names it while a [`Forms`] holds it; the table holds only
//!   forms that are alive.
//! - [`Recent`] is emptied when its lane has nothing more to do: it keeps no event
//!   alive that nobody is being sent.

use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};

use super::{
    frame::{Frame, Opcode},
    json::{self, EventBody},
    sse,
};
use crate::{event::Event, gateway::meters::Meters, wake::contained};

/// In which form an event goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gateway) enum Kind {
    /// The payload as a message: text if it is UTF-8.
    Auto,
    /// The payload as a binary message.
    Binary,
    /// An `event` of the JSON protocol, for the subscription of this number.
    Json(u32),
    /// A block of lines whose id is the position.
    Sse,
    /// A block of lines that the socket ends with an id of its own.
    SseWithoutId,
}

/// Makes frames, and finds those that are made.
pub(in crate::gateway) struct Encoder {
    fragment: usize,
    meters: Arc<Meters>,
    table: Mutex<HashMap<usize, Weak<Forms>, ahash::RandomState>>,
}

/// Frames of one event that are kept for others to find.
const KEPT: usize = 16;

/// The frames of one event.
pub(in crate::gateway) struct Forms {
    /// Named by the address of this event, which nobody else has while it is held.
    event: Option<Event>,
    address: usize,
    encoder: Arc<Encoder>,
    made: Mutex<SmallVec<[(Kind, Frame); 1]>>,
    /// What all `event` messages of the JSON protocol have in common.
    json: OnceLock<EventBody>,
    /// How many sockets it was sent to, as far as lanes have said.
    hits: std::sync::atomic::AtomicU64,
}

impl Encoder {
    pub(in crate::gateway) fn new(fragment: usize, meters: Arc<Meters>) -> Arc<Self> {
        Arc::new(Encoder {
            fragment,
            meters,
            table: Mutex::default(),
        })
    }

    fn forms(self: &Arc<Self>, event: &Event) -> Arc<Forms> {
        let mut table = self.table.lock();
        let place = table.entry(event.address());
        let place = place.or_default();
        // A dead entry may be of an event that had the same address.
        if let Some(forms) = place.upgrade() {
            return forms;
        }
        let forms = Arc::new(Forms {
            event: Some(event.clone()),
            address: event.address(),
            encoder: Arc::clone(self),
            made: Mutex::default(),
            json: OnceLock::new(),
            hits: Default::default(),
        });
        *place = Arc::downgrade(&forms);
        forms
    }
}

impl Forms {
    fn frame(&self, event: &Event, kind: Kind) -> Frame {
        let mut made = self.made.lock();
        if let Some((_, frame)) = made.iter().find(|(known, _)| *known == kind) {
            return frame.clone();
        }
        let frame = self.encode(event, kind);
        self.encoder.meters.frame_made();
        // Clients choose the numbers of their subscriptions: those who all choose another
        // one get frames of their own, which are not kept.
        if made.len() < KEPT {
            made.push((kind, frame.clone()));
        }
        frame
    }

    fn encode(&self, event: &Event, kind: Kind) -> Frame {
        let fragment = self.encoder.fragment;
        let payload = event.payload();
        let message =
            |opcode, body: SmallVec<_>| Frame::message(opcode, body, fragment, Some(event));
        match kind {
            Kind::Auto if std::str::from_utf8(payload).is_ok() => {
                message(Opcode::Text, smallvec![payload.clone()])
            }
            Kind::Auto | Kind::Binary => message(Opcode::Binary, smallvec![payload.clone()]),
            Kind::Json(id) => {
                let body = self.json.get_or_init(|| EventBody::new(event));
                let mut head = Vec::new();
                body.push_head(id, &mut head);
                let tail = Bytes::from_static(json::TAIL);
                message(
                    Opcode::Text,
                    smallvec![head.into(), body.value().clone(), tail],
                )
            }
            Kind::Sse => {
                let id = event.position().to_string();
                Frame::lines(sse::event(Some(&id), payload), fragment, event)
            }
            Kind::SseWithoutId => Frame::lines(sse::event(None, payload), fragment, event),
        }
    }
}

impl Drop for Forms {
    fn drop(&mut self) {
        let address = self.address;
        let mut table = self.encoder.table.lock();
        // Somebody may have made it anew in between: that one is alive.
        if table.get(&address).is_some_and(|w| w.strong_count() == 0) {
            table.remove(&address);
        }
        drop(table);
        let hits = *self.hits.get_mut();
        if let Some(event) = self.event.as_ref().filter(|_| hits > 0) {
            self.encoder.meters.event_sent(event, hits);
        }
        // Perhaps the last holder of the event, whose buffers are anybody's.
        let (event, json) = (self.event.take(), self.json.take());
        contained(|| drop((event, json)));
    }
}

/// What a lane sent last: places by address and kind, the older one gives way.
pub(in crate::gateway) struct Recent {
    encoder: Arc<Encoder>,
    places: Vec<Option<Place>>,
    /// Places taken.
    taken: usize,
    bytes: usize,
}

struct Place {
    address: usize,
    kind: Kind,
    frame: Frame,
    forms: Arc<Forms>,
    hits: u64,
}

const PLACES: usize = 128;
/// Bytes of frames that a lane keeps at hand, beyond the last one.
const AT_HAND: usize = 16 << 20;

impl Recent {
    pub(in crate::gateway) fn new(encoder: Arc<Encoder>) -> Self {
        Recent {
            encoder,
            places: (0..PLACES).map(|_| None).collect(),
            taken: 0,
            bytes: 0,
        }
    }

    /// Where the frame of an event would be.
    fn place_of(address: usize, kind: Kind) -> usize {
        let spice = match kind {
            Kind::Json(id) => id as usize,
            Kind::Auto => 0,
            Kind::Binary => 1,
            Kind::Sse => 2,
            Kind::SseWithoutId => 3,
        };
        ((address >> 5) ^ spice.wrapping_mul(0x9E37)) % PLACES
    }

    /// Counts an event as sent to one more socket, if its frame is still at hand.
    pub(in crate::gateway) fn count(&mut self, event: &Event, kind: Kind) {
        let address = event.address();
        let place = &mut self.places[Self::place_of(address, kind)];
        if let Some(place) = place.as_mut().filter(|place| place.address == address) {
            place.hits += 1;
        }
    }

    /// The frame of an event.
    pub(in crate::gateway) fn frame(&mut self, event: &Event, kind: Kind) -> &Frame {
        let address = event.address();
        let at = Self::place_of(address, kind);
        let known = |place: &Place| place.address == address && place.kind == kind;
        if !self.places[at].as_ref().is_some_and(known) {
            if self.bytes > AT_HAND {
                self.clear();
            }
            let forms = self.encoder.forms(event);
            let frame = forms.frame(event, kind);
            self.bytes += frame.len();
            let place = Place {
                address,
                kind,
                frame,
                forms,
                hits: 0,
            };
            match self.places[at].replace(place) {
                Some(before) => self.bytes -= before.leave(),
                None => self.taken += 1,
            }
        }
        match &self.places[at] {
            Some(place) => &place.frame,
            None => unreachable!("it has just been filled"),
        }
    }

    /// Lets go of everything.
    pub(in crate::gateway) fn clear(&mut self) {
        if self.taken == 0 {
            return;
        }
        for place in &mut self.places {
            if let Some(place) = place.take() {
                place.leave();
            }
        }
        (self.taken, self.bytes) = (0, 0);
    }
}

impl Place {
    fn leave(self) -> usize {
        let hits = &self.forms.hits;
        hits.fetch_add(self.hits, std::sync::atomic::Ordering::Relaxed);
        self.frame.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Hub;

    fn events(n: usize) -> (Hub, Vec<Event>) {
        let hub = Hub::new();
        let mut sub = hub.subscribe("t").unwrap();
        let events = (0..n).map(|i| {
            hub.publish("t", format!("{i}")).unwrap();
            sub.try_recv().unwrap()
        });
        let events = events.collect();
        (hub, events)
    }

    fn encoder() -> (Arc<Encoder>, Arc<Meters>) {
        let meters = Arc::new(Meters::default());
        (Encoder::new(65_536, Arc::clone(&meters)), meters)
    }

    #[test]
    fn two_lanes_share_one_frame() {
        let (encoder, meters) = encoder();
        let (_hub, events) = events(1);
        let mut lanes = [(); 2].map(|()| Recent::new(Arc::clone(&encoder)));
        let runs = lanes.each_mut().map(|lane| {
            lane.frame(&events[0], Kind::Auto)
                .as_run()
                .unwrap()
                .as_ptr()
        });
        assert_eq!(runs[0], runs[1]);
        assert_eq!(meters.snapshot().frames_made, 1);
        let mut lane = Recent::new(Arc::clone(&encoder));
        lane.frame(&events[0], Kind::Binary);
        assert_eq!(meters.snapshot().frames_made, 2);
    }

    #[test]
    fn nothing_is_kept_once_the_lanes_have_let_go() {
        let (encoder, meters) = encoder();
        let (hub, events) = events(1_000);
        let mut lane = Recent::new(Arc::clone(&encoder));
        for batch in events.chunks(50) {
            for event in batch {
                for kind in [Kind::Auto, Kind::Json(0), Kind::Json(7), Kind::Sse] {
                    lane.frame(event, kind);
                    lane.count(event, kind);
                }
            }
            lane.clear();
        }
        drop(events);
        assert!(encoder.table.lock().is_empty());
        assert_eq!(hub.stats().bytes_held, 0);
        assert_eq!(
            meters
                .snapshot()
                .share
                .buckets()
                .map(|(_, n)| n)
                .sum::<u64>(),
            1_000
        );
    }

    #[test]
    fn a_form_is_never_of_another_event() {
        let (encoder, _) = encoder();
        let (_hub, events) = events(2_000);
        let mut lane = Recent::new(encoder);
        // Addresses are used again as events are dropped.
        for (i, event) in events.into_iter().enumerate() {
            let run = lane.frame(&event, Kind::Auto).as_run().unwrap();
            assert_eq!(&run[2..], i.to_string().as_bytes());
        }
    }
}

//! What arrives from a server, read and judged for the fuzz targets.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    arrival::{Deliver, Stamp},
    inbox::{Inbox, Page, Via},
    log::repair::{Ask, Entry, Head, Position},
    modes::Modes,
    wire::envelope::{self, Arrival, Stamps},
};
use crate::{Attributes, Publication};

/// An event as an envelope brought it.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Lineage, number, publisher, serial and time.
    pub stamps: [u64; 5],
    /// The conflation key.
    pub key: Option<String>,
    /// The attributes.
    pub attributes: Attributes,
    /// The payload.
    pub payload: Vec<u8>,
}

/// What the bytes of a message are: `None` if they are plain, an error if they begin as
/// an envelope does and are none.
pub fn open(bytes: &[u8]) -> Option<Result<Opened, ()>> {
    let envelope = match envelope::decode(bytes) {
        Arrival::Plain => return None,
        Arrival::Unreadable => return Some(Err(())),
        Arrival::Enveloped(envelope) => envelope,
    };
    let Ok(event) = envelope.publication("t") else {
        return Some(Err(()));
    };
    let (attributes, key) = event.headers();
    let stamps = envelope.stamps;
    Some(Ok(Opened {
        stamps: [
            stamps.lineage,
            stamps.number,
            stamps.publisher,
            stamps.serial,
            stamps.micros,
        ],
        key: key.map(str::to_owned),
        attributes: attributes.clone(),
        payload: event.payload().to_vec(),
    }))
}

/// The bytes of a message that brings this.
pub fn seal(opened: &Opened) -> Vec<u8> {
    let [lineage, number, publisher, serial, micros] = opened.stamps;
    let stamps = Stamps {
        lineage,
        number,
        publisher,
        serial,
        micros,
    };
    let mut event = Publication::new("t", opened.payload.clone());
    event = event.attributes(opened.attributes.clone());
    if let Some(key) = &opened.key {
        event = event.key(key);
    }
    let mut bytes = Vec::new();
    envelope::encode(&stamps, &event, &mut bytes);
    bytes
}

/// Listens to one topic while everything lies: messages, heads and pages are what `choose`
/// says, which gives one of so many. Ends when it says 0 of 255 between two steps.
///
/// # Panics
/// When an event comes twice or out of its publisher's order.
pub fn listen(choose: &mut dyn FnMut(u8) -> u8) {
    let started = Instant::now();
    let mut heard = Heard::default();
    let mut millis = 0;
    let mut stamp = || {
        millis += 1;
        Stamp {
            instant: started + Duration::from_millis(millis),
            micros: 1_000_000_000 + millis * 1_000,
        }
    };
    let mut inbox = Inbox::new(0, Modes::default(), stamp());
    let mut reads = Vec::new();
    while choose(255) != 0 {
        let now = stamp();
        match choose(9) {
            0 => inbox.broken(now, |_| false),
            1 => inbox.joined("t", now, &mut heard),
            2 => inbox.placed("t", head(choose), now),
            3 => inbox.sweep(now),
            4 => reads.extend(inbox.next_read()),
            5 | 6 if !reads.is_empty() => {
                let at = usize::from(choose(reads.len().min(255) as u8));
                let read = reads.swap_remove(at);
                match choose(8) {
                    0 => inbox.unread(&read, now, &mut heard),
                    1 => inbox.undone(&read),
                    _ => {
                        let entries: Vec<_> = (0..choose(6))
                            .map(|_| Entry {
                                number: u64::from(choose(16)),
                                bytes: message(choose),
                            })
                            .collect();
                        let head = match read.ask {
                            Ask::Head { .. } => head(choose),
                            Ask::Page { .. } | Ask::Newest => None,
                        };
                        let page = Page {
                            head,
                            entries: &entries,
                            is_last: choose(2) == 0,
                        };
                        inbox.read(&read, page, now, &mut heard);
                    }
                }
            }
            _ => inbox.message(Via::Topic, "t", &message(choose), now, &mut heard),
        }
    }
}

fn head(choose: &mut dyn FnMut(u8) -> u8) -> Option<Head> {
    let mut position = || Position {
        lineage: u64::from(choose(3)),
        number: number(choose(17)),
    };
    let (newest, before) = (position(), position());
    (choose(4) != 0).then_some(Head {
        newest,
        before: Some(before),
    })
}

fn number(small: u8) -> u64 {
    if small == 16 {
        u64::MAX
    } else {
        u64::from(small)
    }
}

fn message(choose: &mut dyn FnMut(u8) -> u8) -> Vec<u8> {
    if choose(16) == 0 {
        return envelope::MARK.to_vec();
    }
    let mut opened = Opened {
        stamps: [
            u64::from(choose(3)),
            number(choose(17)),
            u64::from(choose(3)),
            number(choose(17)),
            1_000_000_000,
        ],
        key: None,
        attributes: Attributes::new(),
        payload: Vec::new(),
    };
    opened.payload = format!("{}:{}", opened.stamps[2], opened.stamps[3]).into_bytes();
    seal(&opened)
}

#[derive(Default)]
struct Heard(BTreeMap<u64, u64>);

impl Deliver for Heard {
    fn event(&mut self, event: Publication<&str>) {
        let text = String::from_utf8_lossy(event.payload());
        let (publisher, serial) = text.split_once(':').expect("a payload of these");
        let publisher = publisher.parse().expect("a number");
        let serial = serial.parse().expect("a number");
        assert_ne!(publisher, 0, "our own came back");
        if let Some(before) = self.0.insert(publisher, serial) {
            assert!(before < serial, "{publisher}: {serial} after {before}");
        }
    }

    fn lost(&mut self, _: &str, missed: Option<u64>) {
        assert_ne!(missed, Some(0), "a loss of nothing");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn lies_bring_nothing_twice_and_nothing_out_of_order(
            choices in prop::collection::vec(1_u8.., 0..400),
        ) {
            let mut choices = choices.into_iter();
            listen(&mut |count| choices.next().unwrap_or(0) % count);
        }

        #[test]
        fn what_was_opened_is_sealed_and_opened_again(
            rest in prop::collection::vec(prop_oneof![0_u8..9, any::<u8>()], 0..60),
            flags in 0x10_u8..0x12,
        ) {
            let head = [&envelope::MARK[..], &[flags], &[7; 40]].concat();
            let message = [head, rest].concat();
            if let Some(Ok(opened)) = open(&message) {
                prop_assert!(message.ends_with(&opened.payload));
                prop_assert_eq!(open(&seal(&opened)), Some(Ok(opened)));
            }
        }
    }
}

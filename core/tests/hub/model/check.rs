//! What the sink of a lane is given, held against the model.

use std::collections::BTreeMap;

use distributary::{CloseReason, Event, Flow, MemberId, Overflow, Sink, Token};

use super::naive::{Next, Reader, TOPICS, World};

pub(super) struct Member {
    pub(super) id: MemberId,
    pub(super) lane: usize,
    pub(super) reader: Reader,
    pub(super) stalled: bool,
    /// Lost already when it stalled: told with the next event of its feed.
    pub(super) lost_before: u64,
    /// How many events of the next delivery its sink will take.
    pub(super) will_take: Option<usize>,
    pub(super) will_close: bool,
    /// Has been told to leave, but the lane has not heard it.
    pub(super) leaving: bool,
}

/// What the counters should say.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) published: u64,
    pub(super) unmatched: u64,
    pub(super) matched: u64,
    pub(super) reached: u64,
    pub(super) delivered: u64,
    pub(super) missed: u64,
    pub(super) unreadable: u64,
    pub(super) slow: u64,
}

/// The number that a payload carries.
pub(super) fn number_of(event: &Event) -> usize {
    let text = std::str::from_utf8(event.payload()).unwrap();
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let digits = digits.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

pub(super) fn check_event(event: &Event, world: &World, number: usize) {
    assert_eq!(number_of(event), number, "another event than the next");
    let published = &world.events[number];
    assert_eq!(event.topic().as_str(), TOPICS[published.topic]);
    assert_eq!(Some(event.position()), published.position);
    assert_eq!(event.weight(), published.weight);
    let key = published.key.map(|key| key.to_string());
    assert_eq!(event.key(), key.as_deref());
}

/// A sink that knows what should come.
pub(super) struct Check<'a> {
    pub(super) world: &'a World,
    pub(super) members: &'a mut BTreeMap<Token, Member>,
    pub(super) counts: &'a mut Counts,
    pub(super) lane: usize,
    /// What has been pushed out lately may still come.
    pub(super) loose: bool,
    pub(super) closed: bool,
    pub(super) delivered: u64,
    /// Set while a check is under way, so also after one has failed.
    /// Calls that began, and those that ended without a panic.
    pub(super) begun: usize,
    pub(super) ended: usize,
}

impl Check<'_> {
    /// The member, which must be one that may be called.
    fn member(&mut self, token: Token) -> &mut Member {
        let member = self.members.get_mut(&token);
        let member = member.expect("a call for one who has left");
        assert_eq!(member.lane, self.lane, "a call on another's lane");
        assert!(!member.leaving, "a call for one who has been told to leave");
        member
    }

    /// What the member's sink does next, if it does not simply take what comes.
    fn refusal(&mut self, token: Token) -> Option<Flow> {
        let member = self.member(token);
        if member.will_close {
            self.members.remove(&token);
            return Some(Flow::Close);
        }
        let taken = member.will_take.take()?;
        member.stalled = true;
        member.lost_before = member.reader.missed();
        Some(Flow::Stalled { taken })
    }
}

impl Sink for Check<'_> {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        self.begun += 1;
        let (world, loose) = (self.world, self.loose);
        let member = self.member(to);
        assert!(!member.stalled, "a delivery to a stalled sink");
        assert!(!events.is_empty());
        // What has been replaced before the first of these is passed over, even if the
        // sink then takes nothing.
        member.reader.pass_replaced(number_of(&events[0]));
        let mut after = vec![member.reader.clone()];
        for event in events {
            let mut reader = after[after.len() - 1].clone();
            let number = number_of(event);
            check_event(event, world, number);
            if loose && reader.backlog.is_empty() {
                reader.skip_to(number);
            } else {
                assert_eq!(reader.next(world), Next::Event(number));
            }
            after.push(reader);
        }
        let refusal = self.refusal(to);
        let taken = match refusal {
            None => events.len(),
            Some(Flow::Stalled { taken }) => taken.min(events.len()),
            Some(_) => 0,
        };
        self.delivered += taken as u64;
        if let Some(member) = self.members.get_mut(&to) {
            member.reader = after.swap_remove(taken);
        }
        self.ended += 1;
        refusal.unwrap_or(Flow::Taken)
    }

    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        self.begun += 1;
        let (world, loose) = (self.world, self.loose);
        let reader = &mut self.member(to).reader;
        if loose && reader.backlog.is_empty() {
            assert!(
                (1..=reader.missed()).contains(&missed),
                "{missed} were not lost, but {}, of {:?} under {:?}",
                reader.missed(),
                reader.queue,
                reader.overflow
            );
            reader.read += missed as usize;
        } else {
            let from_history = !reader.backlog.is_empty();
            assert!(from_history || reader.overflow != Overflow::Disconnect);
            assert_eq!(reader.next(world), Next::Missed(missed));
        }
        assert!(!self.member(to).stalled, "a word to a stalled sink");
        self.counts.missed += missed;
        let flow = self.refusal(to).unwrap_or(Flow::Taken);
        self.ended += 1;
        flow
    }

    fn closed(&mut self, to: Token, reason: CloseReason) {
        self.begun += 1;
        let (world, closed) = (self.world, self.closed);
        let member = self.member(to);
        match reason {
            CloseReason::HubClosed => {
                assert!(closed);
                if !member.stalled {
                    assert_eq!(member.reader.next(world), Next::Nothing, "left lying");
                }
            }
            CloseReason::SlowConsumer => {
                assert_eq!(member.reader.overflow, Overflow::Disconnect);
                assert!(member.reader.missed() > 0, "it was not slow");
                self.counts.slow += 1;
            }
            reason => panic!("closed for no reason: {reason}"),
        }
        self.members.remove(&to);
        self.ended += 1;
    }
}

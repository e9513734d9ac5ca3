//! Members that do not keep up with their group: those whose sinks stalled, and those
//! that joined with something to catch up on.
//!
//! Each is a reader of its own, so what it still has to read is held for it as far as
//! the budget goes, and the group walks on without it. They are served in turn, with up
//! to half of a slice, and rejoin when they are level.

use std::collections::VecDeque;

use super::{Group, NEVER, RUN, Service, Verdict, ask, taken, verdict};
use crate::{
    feed::{Overflow, Read, Shed},
    hub::{
        core::Core,
        history::{Backlog, Caught},
    },
    lane::{
        ids::MemberId,
        sink::{Flow, Sink},
    },
    slab::Slab,
    subscription::CloseReason,
    sync::Arc,
    wake::{Post, contained},
};

/// The `from` of a lone member is this and the number of its state: above every number
/// of a feed, so a pass has nothing for it.
const LONE: u64 = 1 << 63;

/// Members that do not keep up.
#[derive(Default)]
pub(super) struct LoneOnes {
    states: Slab<Lone>,
    /// Those whose sinks take something, in turn. Some may have left since.
    pub(super) catching_up: VecDeque<MemberId>,
    /// No stalled member stands below this, so before the feed has let go of what is
    /// there nobody has lost its place.
    lowest: u64,
}

pub(super) struct Lone {
    pub(super) id: MemberId,
    /// Where it is counted as a reader of the feed.
    pub(super) cursor: u64,
    pub(super) stalled: bool,
    /// How many events it is offered at once: no run is made of what its sink leaves.
    pub(super) appetite: usize,
    pub(super) backlog: Option<Box<Backlog>>,
}

impl LoneOnes {
    /// Takes a member in. Its `from`.
    pub(super) fn take_in(&mut self, lone: Lone) -> u64 {
        match lone.stalled {
            true => self.lower(lone.cursor),
            false => self.catching_up.push_back(lone.id),
        }
        LONE + u64::from(self.states.insert(lone))
    }

    /// One at this cursor is stalled.
    fn lower(&mut self, cursor: u64) {
        self.lowest = self.lowest.min(cursor);
    }

    /// The stalled ones that stand below `oldest`.
    fn overtaken(&mut self, oldest: u64) -> Vec<(MemberId, u64)> {
        if oldest <= self.lowest {
            return Vec::new();
        }
        let mut overtaken = Vec::new();
        self.lowest = u64::MAX;
        for (_, lone) in self.states.iter().filter(|(_, lone)| lone.stalled) {
            match lone.cursor < oldest {
                true => overtaken.push((lone.id, lone.cursor)),
                false => self.lowest = self.lowest.min(lone.cursor),
            }
        }
        overtaken
    }
}

impl Group {
    /// With nobody who keeps up, the group itself would only hold back what the lone ones
    /// have read already: it goes to the end, and they come after it.
    pub(super) fn go_ahead<S: Sink>(&mut self, post: &Arc<Post>, at: &mut Service<'_, '_, S>) {
        let all_lone = |ones: &LoneOnes| ones.states.len() == self.len();
        if self.pass.is_some() || !self.lone.as_deref().is_some_and(all_lone) {
            return;
        }
        let mut shed = Shed::default();
        self.walk = self.outlet.feed.skip_to_end(post, self.walk, &mut shed);
        self.core().account(&mut shed);
        if self.outlet.feed.limits().overflow == Overflow::Disconnect {
            self.close_overtaken(at);
        }
    }

    /// Lets a stalled member go on. True when there is something to do.
    pub(in crate::lane) fn resume(&mut self, id: MemberId, place: u32) -> bool {
        let Some(number) = self.number_of(place as usize) else {
            return false;
        };
        let Some(ones) = &mut self.lone else {
            return false;
        };
        let stalled = std::mem::take(&mut ones.states[number].stalled);
        if stalled {
            ones.catching_up.push_back(id);
        }
        stalled
    }

    /// The number of a lone member's state.
    fn number_of(&self, place: usize) -> Option<u32> {
        let from = self.members[place].from;
        (from >= LONE && from != NEVER).then(|| (from - LONE) as u32)
    }

    /// The state of a member, if it is lone.
    pub(super) fn lone(&self, place: usize) -> Option<&Lone> {
        let number = self.number_of(place)?;
        self.lone.as_ref()?.states.get(number)
    }

    /// Takes the state of a member away, if it is lone; its `from` is to be set anew.
    pub(super) fn take_lone(&mut self, place: usize) -> Option<Lone> {
        let number = self.number_of(place)?;
        let ones = self.lone.as_mut()?;
        let lone = ones.states.try_remove(number);
        if ones.states.len() == 0 {
            self.lone = None;
        }
        lone
    }

    /// Makes a member lone whose sink takes nothing, after it has taken so many events.
    /// The group still holds the stretch from `cursor` on, so nothing is lost between here
    /// and there.
    pub(super) fn stall(&mut self, place: usize, cursor: u64, taken: usize) {
        let Some(id) = self.ids[place] else { return };
        self.outlet.feed.join_at(cursor);
        self.members[place].from = self.lone.get_or_insert_default().take_in(Lone {
            id,
            cursor,
            stalled: true,
            appetite: taken.clamp(1, RUN),
            backlog: None,
        });
    }

    /// One who takes nothing and has lost its place in the feed is told so now: it may
    /// never ask.
    pub(super) fn close_overtaken<S: Sink>(&mut self, at: &mut Service<'_, '_, S>) {
        let oldest = self.outlet.feed.start();
        let overtaken = self.lone.as_deref_mut().map(|ones| ones.overtaken(oldest));
        for (id, cursor) in overtaken.unwrap_or_default() {
            if let Some((_, place)) = at.locations.find(id) {
                let reason = self.outlet.why_ended(cursor);
                self.depart(place as usize, Some(reason), at);
            }
        }
    }

    /// Serves members that catch up by themselves, with up to half of the slice.
    pub(super) fn serve_lone<S: Sink>(&mut self, at: &mut Service<'_, '_, S>) {
        let enough = at.slice.left() / 2;
        while at.slice.left() > enough
            && !at.slice.is_over()
            && let Some(id) = self
                .lone
                .as_mut()
                .and_then(|ones| ones.catching_up.pop_front())
        {
            let Some((_, place)) = at.locations.find(id) else {
                continue;
            };
            let place = place as usize;
            // It may be in another group by now.
            if self.ids.get(place) != Some(&Some(id)) {
                continue;
            }
            self.serve_one(id, place, at);
        }
    }

    fn serve_one<S: Sink>(&mut self, id: MemberId, place: usize, at: &mut Service<'_, '_, S>) {
        let (Some(number), Some(mut ones)) = (self.number_of(place), self.lone.take()) else {
            return;
        };
        // Out of the group meanwhile, which a step only looks at.
        let step = self.catch_up(place, &mut ones.states[number], at);
        let lone = &mut ones.states[number];
        match step {
            Step::Again => ones.catching_up.push_back(id),
            Step::Stalled => {
                lone.stalled = true;
                let cursor = lone.cursor;
                ones.lower(cursor);
            }
            Step::Level => {
                self.members[place].from = lone.cursor;
                ones.states.remove(number);
            }
            Step::Leave(reason) => {
                self.lone = Some(ones);
                self.depart(place, reason, at);
                return;
            }
        }
        if ones.states.len() > 0 {
            self.lone = Some(ones);
        }
    }

    /// One step of a lone member.
    fn catch_up<S: Sink>(
        &self,
        place: usize,
        lone: &mut Lone,
        at: &mut Service<'_, '_, S>,
    ) -> Step {
        let token = self.members[place].token;
        if let Some(backlog) = &mut lone.backlog {
            let word = match backlog.next(self.core()) {
                Caught::Event(event) => {
                    let word = ask(|| at.sink.deliver(token, std::slice::from_ref(&event)));
                    let taken = taken(word, std::slice::from_ref(&event));
                    at.slice.count(1, taken);
                    if taken == 0 {
                        backlog.put_back();
                    }
                    contained(|| drop(event));
                    word
                }
                Caught::Missed(missed) => {
                    self.core().meters.missed(missed);
                    at.slice.count(1, 0);
                    ask(|| at.sink.lagged(token, missed))
                }
                Caught::Up => {
                    lone.backlog = None;
                    Some(Flow::Taken)
                }
            };
            return Step::after(word, 1, self.core());
        }
        let feed = &self.outlet.feed;
        let mut shed = Shed::default();
        if lone.cursor >= self.target() {
            // Level with the group: its own place in the log is given up.
            feed.leave_at(lone.cursor, &mut shed);
            self.core().account(&mut shed);
            return Step::Level;
        }
        let (word, to, offered) =
            match feed.look(None, lone.cursor, lone.appetite, at.slice.now(), &mut shed) {
                Read::Missed(missed) => {
                    at.slice.count(1, 0);
                    if feed.limits().overflow == Overflow::Disconnect {
                        return Step::Leave(Some(self.outlet.why_ended(lone.cursor)));
                    }
                    self.core().meters.missed(missed);
                    let word = ask(|| at.sink.lagged(token, missed));
                    (word, lone.cursor + missed, 0)
                }
                Read::Got(run) => {
                    let offered = run.events();
                    let word = ask(|| at.sink.deliver(token, offered));
                    let taken = taken(word, offered);
                    at.slice.count(offered.len(), taken);
                    lone.appetite = match taken == offered.len() && word == Some(Flow::Taken) {
                        true => (lone.appetite * 2).min(RUN),
                        false => taken.max(1),
                    };
                    let (to, offered) = (run.first + taken as u64, offered.len());
                    contained(|| drop(run));
                    (word, to, offered)
                }
                // What the group has walked over was replaced since, to the last event.
                Read::Nothing => (Some(Flow::Taken), self.target(), 0),
            };
        feed.advance(lone.cursor, to, &mut shed);
        self.core().account(&mut shed);
        lone.cursor = to;
        Step::after(word, offered, self.core())
    }
}

/// What one step of a lone member came to.
enum Step {
    Again,
    Level,
    Stalled,
    Leave(Option<CloseReason>),
}

impl Step {
    fn after(word: Option<Flow>, offered: usize, core: &Core) -> Self {
        match verdict(word, 0, offered, core) {
            None => Step::Again,
            Some(Verdict::Stall { .. }) => Step::Stalled,
            Some(Verdict::Leave(reason)) => Step::Leave(reason),
        }
    }
}

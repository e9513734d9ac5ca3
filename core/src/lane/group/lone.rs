//! Members that do not keep up with their group: those whose sinks stalled, and those
//! that joined with something to catch up on.
//!
//! Each is a reader of its own, so what it still has to read is held for it as far as
//! the budget goes, and the group walks on without it. They are served in turn, with up
//! to half of a slice, and rejoin when they are level.

use std::collections::VecDeque;

use hashbrown::HashMap;

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
    subscription::CloseReason,
    sync::Arc,
    wake::{Post, contained},
};

/// Members that do not keep up.
#[derive(Default)]
pub(super) struct LoneOnes {
    pub(super) by_id: HashMap<MemberId, Lone, ahash::RandomState>,
    /// Those whose sinks take something, in turn.
    pub(super) catching_up: VecDeque<MemberId>,
}

pub(super) struct Lone {
    /// Where it is counted as a reader of the feed.
    pub(super) cursor: u64,
    pub(super) stalled: bool,
    pub(super) backlog: Option<Box<Backlog>>,
}

impl Group {
    /// With nobody who keeps up, the group itself would only hold back what the lone ones
    /// have read already: it goes to the end, and they come after it.
    pub(super) fn go_ahead<S: Sink>(&mut self, post: &Arc<Post>, at: &mut Service<'_, '_, S>) {
        let all_lone = |ones: &LoneOnes| ones.by_id.len() == self.len();
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
    pub(in crate::lane) fn resume(&mut self, id: MemberId) -> bool {
        let Some(ones) = &mut self.lone else {
            return false;
        };
        match ones.by_id.get_mut(&id) {
            Some(lone) if lone.stalled => {
                lone.stalled = false;
                ones.catching_up.push_back(id);
                true
            }
            _ => false,
        }
    }

    pub(super) fn take_lone(&mut self, id: MemberId) -> Option<Lone> {
        let ones = self.lone.as_mut()?;
        let lone = ones.by_id.remove(&id);
        if ones.by_id.is_empty() {
            self.lone = None;
        }
        lone
    }

    pub(super) fn is_catching_up(&self, id: MemberId) -> bool {
        let lone = self.lone.as_ref().and_then(|ones| ones.by_id.get(&id));
        lone.is_some_and(|lone| !lone.stalled)
    }

    /// Makes a member lone whose sink takes nothing. The group still holds the stretch
    /// from `cursor` on, so nothing is lost between here and there.
    pub(super) fn stall(&mut self, place: usize, cursor: u64) {
        let Some(id) = self.ids[place] else { return };
        self.outlet.feed.join_at(cursor);
        self.members[place].from = NEVER;
        let ones = self.lone.get_or_insert_default();
        ones.by_id.insert(
            id,
            Lone {
                cursor,
                stalled: true,
                backlog: None,
            },
        );
    }

    /// One who takes nothing and has lost its place in the feed is told so now: it may
    /// never ask.
    pub(super) fn close_overtaken<S: Sink>(&mut self, at: &mut Service<'_, '_, S>) {
        let oldest = self.outlet.feed.start();
        let overtaken = |ones: &LoneOnes| -> Vec<MemberId> {
            let lone = ones.by_id.iter();
            let lost = lone.filter(|(_, lone)| lone.stalled && lone.cursor < oldest);
            lost.map(|(id, _)| *id).collect()
        };
        for id in self.lone.as_deref().map(overtaken).unwrap_or_default() {
            if let Some((_, place)) = at.locations.find(id) {
                self.depart(place as usize, Some(CloseReason::SlowConsumer), at);
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
            let Some(mut lone) = self.take_lone_for(id) else {
                continue;
            };
            let place = place as usize;
            match self.catch_up(place, &mut lone, at) {
                Step::Again => {
                    let ones = self.lone.get_or_insert_default();
                    ones.by_id.insert(id, lone);
                    ones.catching_up.push_back(id);
                }
                Step::Level => self.members[place].from = lone.cursor,
                Step::Stalled => {
                    lone.stalled = true;
                    let ones = self.lone.get_or_insert_default();
                    ones.by_id.insert(id, lone);
                }
                Step::Leave(reason) => {
                    let ones = self.lone.get_or_insert_default();
                    ones.by_id.insert(id, lone);
                    self.depart(place, reason, at);
                }
            }
        }
        if self.lone.as_ref().is_some_and(|ones| ones.by_id.is_empty()) {
            self.lone = None;
        }
    }

    /// Takes a lone member's state out for a step, without giving up the room.
    fn take_lone_for(&mut self, id: MemberId) -> Option<Lone> {
        self.lone.as_mut()?.by_id.remove(&id)
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
        let (word, to, offered) = match feed.look(None, lone.cursor, RUN, at.slice.now(), &mut shed)
        {
            Read::Missed(missed) => {
                at.slice.count(1, 0);
                if feed.limits().overflow == Overflow::Disconnect {
                    return Step::Leave(Some(CloseReason::SlowConsumer));
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

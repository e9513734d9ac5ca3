//! The members of one feed in one lane, in a dense slab, and the walk over them.
//!
//! Only the lane's thread touches a group, so a delivery needs no atomic and no lock:
//! the slab is walked in order and each member costs a compare, the sink, a store.
//! A walk over many members is a *pass* that goes on from slice to slice.
//!
//! # Invariants
//!
//! - The group is one reader of the feed, at `walk`. A member that keeps up has no
//!   registration of its own; its cursor is `walk`, or the end of the run being walked
//!   if it has been served, or beyond if it joined later.
//! - A member that does not keep up (its sink stalled, or it joined with something to
//!   catch up on) is *lone*: it is a reader of its own at its cursor, and the pass goes
//!   by it. It rejoins when it has caught up with the group.
//! - A place whose member has left stays, dead, until a quarter of the slab is dead;
//!   then the slab is packed between two passes. A place is never moved in a pass.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::{
    ids::{Locations, MemberId},
    sink::{Flow, Sink, Token},
    slice::Slice,
};
use crate::{
    feed::{Ending, Overflow, Read, Run, Shed},
    hub::{
        core::Core,
        history::{Backlog, Caught},
        outlet::Outlet,
    },
    subscription::CloseReason,
    sync::Arc,
    wake::Post,
};

/// Events of one pass.
const RUN: usize = 64;
/// Dead places that are not worth packing.
const FEW_DEAD: usize = 16;

pub(super) struct Group {
    pub(super) outlet: Arc<Outlet>,
    members: Vec<Member>,
    dead: usize,
    /// Where the group reads on.
    walk: u64,
    pass: Option<Pass>,
    /// Lone members that can be served.
    catching_up: VecDeque<MemberId>,
    backlogs: HashMap<u32, Box<Backlog>, ahash::RandomState>,
    /// Stands in the lane's queue.
    pub(super) queued: bool,
}

#[derive(Clone, Copy)]
struct Member {
    token: Token,
    cursor: u64,
    id: MemberId,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Served by the pass.
    Live,
    /// Catches up by itself.
    Lone,
    /// Lone, and its sink takes nothing until it is resumed.
    Stalled,
    Dead,
}

/// A walk over all members with the same thing for each.
struct Pass {
    what: What,
    /// The stretch of the feed that it covers.
    first: u64,
    end: u64,
    /// The feed's oldest event when the pass began.
    oldest: u64,
    next: usize,
    /// Members who came later have nothing to do with this pass.
    until: usize,
}

enum What {
    Events(Run),
    /// The stretch is gone.
    Lag,
    Close(CloseReason),
}

/// What the pass does with a member after its sink has spoken.
enum Verdict {
    Stay,
    Stall,
    Leave(Option<CloseReason>),
}

impl Group {
    /// A group without members, as a reader of the feed from its end on.
    pub(super) fn new(outlet: Arc<Outlet>, post: &Arc<Post>, number: u32) -> Self {
        let walk = outlet.feed.sit(post, number);
        Group {
            outlet,
            members: Vec::new(),
            dead: 0,
            walk,
            pass: None,
            catching_up: VecDeque::new(),
            backlogs: HashMap::default(),
            queued: false,
        }
    }

    /// Members that have not left.
    pub(super) fn len(&self) -> usize {
        self.members.len() - self.dead
    }

    /// Takes a member in that stands at `cursor`, where it is counted as a reader. Its
    /// place.
    pub(super) fn adopt(
        &mut self,
        id: MemberId,
        token: Token,
        cursor: u64,
        backlog: Option<Box<Backlog>>,
    ) -> u32 {
        let state = match backlog {
            None if cursor >= self.target() => {
                self.outlet.feed.leave_at(cursor, &mut Shed::default());
                State::Live
            }
            backlog => {
                self.backlogs
                    .extend(backlog.map(|backlog| (id.index, backlog)));
                self.catching_up.push_back(id);
                State::Lone
            }
        };
        self.members.push(Member {
            token,
            cursor,
            id,
            state,
        });
        self.members.len() as u32 - 1
    }

    /// Where a member has to be to be one of those who keep up.
    fn target(&self) -> u64 {
        self.pass.as_ref().map_or(self.walk, |pass| pass.end)
    }

    /// Takes a member out, without a word to its sink.
    pub(super) fn remove(&mut self, place: u32, shed: &mut Shed) {
        let member = &mut self.members[place as usize];
        match std::mem::replace(&mut member.state, State::Dead) {
            State::Dead => return,
            State::Live => {}
            State::Lone | State::Stalled => {
                self.outlet.feed.leave_at(member.cursor, shed);
                self.backlogs.remove(&member.id.index);
            }
        }
        self.dead += 1;
        self.outlet.core().leave_seated(&self.outlet);
    }

    /// Lets a stalled member go on. True when there is something to do.
    pub(super) fn resume(&mut self, place: u32) -> bool {
        let member = &mut self.members[place as usize];
        if member.state != State::Stalled {
            return false;
        }
        member.state = State::Lone;
        self.catching_up.push_back(member.id);
        true
    }

    /// Gives up the group's place in the feed, and with it all members.
    pub(super) fn end(mut self, post: &Arc<Post>) {
        let mut shed = Shed::default();
        for place in 0..self.members.len() as u32 {
            self.remove(place, &mut shed);
        }
        self.outlet.feed.stand_up(post, self.walk, &mut shed);
        self.outlet.core().account(&mut shed);
    }

    /// Whether a slice would find something to do.
    pub(super) fn has_work(&self) -> bool {
        self.pass.is_some()
            || !self.catching_up.is_empty()
            || self.outlet.feed.has(self.walk)
            || (self.outlet.feed.ending() != Ending::Open && self.len() > 0)
    }

    /// Serves members until the slice is used up or nothing is left to do.
    pub(super) fn serve<S: Sink>(
        &mut self,
        sink: &mut S,
        post: &Arc<Post>,
        slice: &mut Slice<'_>,
        locations: &mut Locations,
        left: &mut Vec<MemberId>,
    ) {
        self.serve_lone(sink, slice, locations, left);
        while !slice.is_over() {
            if self.pass.is_none() && !self.begin_pass(post, slice) {
                break;
            }
            self.walk_on(sink, slice, left);
        }
        if self.pass.is_none() && self.dead > FEW_DEAD && self.dead * 4 > self.members.len() {
            self.pack(locations);
        }
    }

    /// Finds out what the next pass is about. False when there is nothing.
    fn begin_pass(&mut self, post: &Arc<Post>, slice: &mut Slice<'_>) -> bool {
        let feed = &self.outlet.feed;
        let mut shed = Shed::default();
        // Before the look, so that an append after it is seen as still to come.
        let ending = feed.ending();
        let (read, oldest) = feed.look(Some(post), self.walk, RUN, slice.now(), &mut shed);
        self.outlet.core().account(&mut shed);
        let (what, first, end) = match read {
            Read::Got(run) => {
                let (first, end) = (run.first, run.end());
                (What::Events(run), first, end)
            }
            Read::Missed(missed) => (What::Lag, self.walk, self.walk + missed),
            Read::Nothing if ending != Ending::Open && self.len() > 0 => {
                (What::Close(CloseReason::HubClosed), self.walk, self.walk)
            }
            Read::Nothing => return false,
        };
        self.pass = Some(Pass {
            what,
            first,
            end,
            oldest,
            next: 0,
            until: self.members.len(),
        });
        true
    }

    /// Goes on with the pass.
    fn walk_on<S: Sink>(&mut self, sink: &mut S, slice: &mut Slice<'_>, left: &mut Vec<MemberId>) {
        let Some(mut pass) = self.pass.take() else {
            return;
        };
        let disconnects = self.outlet.feed.limits().overflow == Overflow::Disconnect;
        while pass.next < pass.until {
            if slice.is_over() {
                self.pass = Some(pass);
                return;
            }
            let place = pass.next;
            pass.next += 1;
            let member = &mut self.members[place];
            let verdict = match (member.state, &pass.what) {
                (State::Dead, _) => continue,
                (_, What::Close(reason)) if member.state != State::Lone => {
                    Verdict::Leave(Some(*reason))
                }
                (State::Live, What::Events(run)) => {
                    let skip = member.cursor.saturating_sub(run.first) as usize;
                    let events = run.events().get(skip..).unwrap_or_default();
                    if events.is_empty() {
                        continue;
                    }
                    slice.count(events.len());
                    let flow = sink.deliver(member.token, events);
                    match flow {
                        Flow::Taken => {
                            member.cursor = pass.end;
                            continue;
                        }
                        _ => {
                            let start = member.cursor.max(run.first);
                            member.cursor = start + taken(flow, events.len()) as u64;
                            let stay = verdict(flow, events.len(), self.outlet.core());
                            stay.unwrap_or(Verdict::Stay)
                        }
                    }
                }
                (State::Live, What::Lag) => {
                    if member.cursor >= pass.end {
                        continue;
                    }
                    let missed = pass.end - member.cursor;
                    member.cursor = pass.end;
                    self.outlet.core().meters.missed(missed);
                    if disconnects {
                        Verdict::Leave(Some(CloseReason::SlowConsumer))
                    } else {
                        slice.count(1);
                        let flow = sink.lagged(member.token, missed);
                        verdict(flow, 0, self.outlet.core()).unwrap_or(Verdict::Stay)
                    }
                }
                // One who takes nothing and has lost its place in the feed is told so
                // now: it may never ask.
                (State::Stalled, _) if disconnects && member.cursor < pass.oldest => {
                    Verdict::Leave(Some(CloseReason::SlowConsumer))
                }
                _ => continue,
            };
            match verdict {
                Verdict::Stay => {}
                Verdict::Stall => {
                    // The group still holds the stretch, so nothing is lost here.
                    self.outlet.feed.join_at(member.cursor);
                    member.state = State::Stalled;
                }
                Verdict::Leave(reason) => self.depart(sink, place, reason, left),
            }
        }
        self.end_pass(pass, slice);
    }

    fn end_pass(&mut self, pass: Pass, slice: &mut Slice<'_>) {
        let core = self.outlet.core();
        let mut shed = Shed::default();
        self.outlet.feed.advance(self.walk, pass.end, &mut shed);
        self.walk = pass.end;
        core.account(&mut shed);
        if let What::Events(run) = &pass.what {
            let now = slice.read_clock();
            for event in run.events() {
                core.meters
                    .drained(now.saturating_sub(event.published_nanos()));
            }
        }
    }

    /// Serves members that catch up by themselves, with up to half of the slice.
    fn serve_lone<S: Sink>(
        &mut self,
        sink: &mut S,
        slice: &mut Slice<'_>,
        locations: &Locations,
        left: &mut Vec<MemberId>,
    ) {
        let enough = slice.left() / 2;
        while slice.left() > enough
            && !slice.is_over()
            && let Some(id) = self.catching_up.pop_front()
        {
            let Some((_, place)) = locations.find(id) else {
                continue;
            };
            match self.catch_up(sink, place as usize, slice) {
                None => self.catching_up.push_back(id),
                Some(Verdict::Stay) => {}
                Some(Verdict::Stall) => self.members[place as usize].state = State::Stalled,
                Some(Verdict::Leave(reason)) => self.depart(sink, place as usize, reason, left),
            }
        }
    }

    /// One step of a lone member; `None` when it has to come again.
    fn catch_up<S: Sink>(
        &mut self,
        sink: &mut S,
        place: usize,
        slice: &mut Slice<'_>,
    ) -> Option<Verdict> {
        let target = self.target();
        let member = &mut self.members[place];
        let core = self.outlet.core();
        if let Some(backlog) = self.backlogs.get_mut(&member.id.index) {
            let flow = match backlog.next() {
                Caught::Event(event) => {
                    slice.count(1);
                    let flow = sink.deliver(member.token, std::slice::from_ref(&event));
                    if flow == (Flow::Stalled { taken: 0 }) {
                        backlog.put_back();
                    }
                    flow
                }
                Caught::Missed(missed) => {
                    core.meters.missed(missed);
                    sink.lagged(member.token, missed)
                }
                Caught::Up => {
                    self.backlogs.remove(&member.id.index);
                    Flow::Taken
                }
            };
            return verdict(flow, 1, core);
        }
        let feed = &self.outlet.feed;
        let mut shed = Shed::default();
        if member.cursor >= target {
            // Level with the group: its own place in the log is given up.
            feed.leave_at(member.cursor, &mut shed);
            core.account(&mut shed);
            member.state = State::Live;
            return Some(Verdict::Stay);
        }
        let (read, _) = feed.look(None, member.cursor, RUN, slice.now(), &mut shed);
        let (flow, to, offered) = match read {
            Read::Missed(missed) => {
                core.meters.missed(missed);
                let to = member.cursor + missed;
                let flow = match feed.limits().overflow {
                    Overflow::Disconnect => None,
                    _ => Some(sink.lagged(member.token, missed)),
                };
                (flow, to, 0)
            }
            Read::Got(run) => {
                slice.count(run.events().len());
                let flow = sink.deliver(member.token, run.events());
                let to = run.first + taken(flow, run.events().len()) as u64;
                (Some(flow), to, run.events().len())
            }
            // The group has been further than the log reaches: it was all replaced.
            Read::Nothing => (Some(Flow::Taken), target, 0),
        };
        feed.advance(member.cursor, to, &mut shed);
        core.account(&mut shed);
        member.cursor = to;
        match flow {
            None => Some(Verdict::Leave(Some(CloseReason::SlowConsumer))),
            Some(flow) => verdict(flow, offered, core),
        }
    }

    /// Takes a member out in the middle of a slice.
    fn depart<S: Sink>(
        &mut self,
        sink: &mut S,
        place: usize,
        reason: Option<CloseReason>,
        left: &mut Vec<MemberId>,
    ) {
        let Member { id, token, .. } = self.members[place];
        let mut shed = Shed::default();
        self.remove(place as u32, &mut shed);
        self.outlet.core().account(&mut shed);
        left.push(id);
        if let Some(reason) = reason {
            if reason == CloseReason::SlowConsumer {
                self.outlet.core().meters.slow_closed();
            }
            sink.closed(token, reason);
        }
    }

    /// Closes the holes that leavers left.
    fn pack(&mut self, locations: &mut Locations) {
        let mut place = 0;
        self.members.retain(|member| {
            let stays = member.state != State::Dead;
            if stays {
                locations.moved(member.id, place);
                place += 1;
            }
            stays
        });
        self.dead = 0;
        if self.members.len() * 4 < self.members.capacity() {
            self.members.shrink_to(self.members.len() * 2);
        }
    }
}

/// How many of the events offered were taken.
fn taken(flow: Flow, offered: usize) -> usize {
    match flow {
        Flow::Taken => offered,
        Flow::Stalled { taken } => taken.min(offered),
        Flow::Close | Flow::AlreadyClosed => 0,
    }
}

/// What follows from a sink's word; `None` when all is well.
fn verdict(flow: Flow, offered: usize, core: &Core) -> Option<Verdict> {
    match flow {
        Flow::Taken => None,
        Flow::Stalled { .. } => Some(Verdict::Stall),
        Flow::Close => Some(Verdict::Leave(None)),
        Flow::AlreadyClosed => {
            core.meters.wrote_to_closed(offered.max(1) as u64);
            Some(Verdict::Leave(None))
        }
    }
}

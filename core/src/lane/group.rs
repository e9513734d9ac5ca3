//! The members of one feed in one lane, in a dense slab, and the walk over them.
//!
//! Only the lane's thread touches a group, so a delivery needs no atomic and no lock.
//! The slab is walked in order, sixteen bytes a member, and a member that keeps up is
//! not even written to: where it stands follows from where the walk is. A walk over
//! many members is a *pass* that goes on from slice to slice.
//!
//! # Invariants
//!
//! - The group is one reader of the feed, at `walk`. A member that keeps up has no
//!   place of its own there: what lies before `from` is not for it, everything else
//!   comes with the pass.
//! - A member that does not keep up (its sink stalled, or it joined with something to
//!   catch up on) is *lone*: it is a reader of its own, at its own cursor. Its `from` is
//!   not a number of the feed but says where its state is (see [`lone`]), so the pass
//!   goes by it. It rejoins when it is level with the group.
//! - A place whose member has left stays, with `from` at [`NEVER`], until a quarter of
//!   the slab is dead; then the slab is packed between two passes. In a pass no place
//!   moves.

mod lone;

use lone::{Lone, LoneOnes};
use smallvec::SmallVec;

use super::{
    ids::{Locations, MemberId},
    remote::Join,
    sink::{Flow, Sink, Token},
    slice::Slice,
};
use crate::{
    event::Event,
    feed::{Ending, Overflow, Read, Run, Shed},
    hub::{core::Core, outlet::Outlet},
    subscription::CloseReason,
    sync::Arc,
    wake::{Post, contained},
};

/// Events of one pass.
const RUN: usize = 64;
/// Dead places that are not worth packing.
const FEW_DEAD: usize = 16;
/// The `from` of a place whose member has left.
const NEVER: u64 = u64::MAX;

pub(super) struct Group {
    pub(super) outlet: Arc<Outlet>,
    /// What the walk reads.
    members: SmallVec<[Member; 1]>,
    /// Who they are; as long as `members`.
    ids: SmallVec<[Option<MemberId>; 1]>,
    /// Where the group reads on.
    walk: u64,
    pass: Option<Box<Pass>>,
    /// Absent while everybody keeps up.
    lone: Option<Box<LoneOnes>>,
    dead: u32,
    /// Stands in the lane's queue.
    pub(super) queued: bool,
}

struct Member {
    token: Token,
    /// Where its part of the feed begins; above every number of the feed if it has none.
    from: u64,
}

/// A walk over all members with the same thing for each.
struct Pass {
    what: What,
    /// The feed's number after what the pass brings.
    end: u64,
    next: usize,
    /// Members who came later have nothing to do with this pass.
    until: usize,
}

enum What {
    Events(Run),
    /// So much of the feed is gone.
    Lag,
    Close(CloseReason),
}

/// What becomes of a member after its sink has spoken.
enum Verdict {
    /// It is lone from `cursor` on, until its sink is ready again.
    Stall {
        cursor: u64,
        taken: usize,
    },
    Leave(Option<CloseReason>),
}

impl Group {
    /// A group without members, as a reader of the feed from its end on.
    pub(super) fn new(outlet: Arc<Outlet>, post: &Arc<Post>, number: u32) -> Self {
        let walk = outlet.feed.sit(post, number);
        Group {
            outlet,
            members: SmallVec::new(),
            ids: SmallVec::new(),
            walk,
            pass: None,
            lone: None,
            dead: 0,
            queued: false,
        }
    }

    /// Members that have not left.
    pub(super) fn len(&self) -> usize {
        self.members.len() - self.dead as usize
    }

    fn core(&self) -> &Core {
        self.outlet.core()
    }

    /// Takes a member in that is counted as a reader of this feed. Its place.
    pub(super) fn adopt(&mut self, join: Join) -> u32 {
        let Join { id, cursor, .. } = join;
        let keeps_up = !join.stalled && join.backlog.is_none() && cursor >= self.target();
        let from = if keeps_up {
            let mut shed = Shed::default();
            self.outlet.feed.leave_at(cursor, &mut shed);
            self.core().account(&mut shed);
            cursor
        } else {
            self.lone.get_or_insert_default().take_in(Lone {
                id,
                cursor,
                stalled: join.stalled,
                appetite: RUN,
                backlog: join.backlog,
            })
        };
        self.members.push(Member {
            token: join.token,
            from,
        });
        self.ids.push(Some(id));
        self.members.len() as u32 - 1
    }

    /// Takes a member out that goes on elsewhere. It is counted as a reader of its own
    /// from here on, and as a subscription as before.
    pub(super) fn release(&mut self, place: u32) -> Option<Join> {
        let place = place as usize;
        let id = self.ids[place].take()?;
        let (cursor, backlog, stalled) = match self.take_lone(place) {
            Some(lone) => (lone.cursor, lone.backlog, lone.stalled),
            None => {
                // The group still holds the stretch from there on.
                let cursor = self.position(place);
                self.outlet.feed.join_at(cursor);
                (cursor, None, false)
            }
        };
        self.members[place].from = NEVER;
        self.dead += 1;
        Some(Join {
            id,
            token: self.members[place].token,
            outlet: Arc::clone(&self.outlet),
            cursor,
            backlog,
            stalled,
        })
    }

    /// Where a member reads on that keeps up.
    fn position(&self, place: usize) -> u64 {
        let reached = match &self.pass {
            // The pass has still to come to it.
            Some(pass) if (pass.next..pass.until).contains(&place) => self.walk,
            _ => self.target(),
        };
        self.members[place].from.max(reached)
    }

    /// How many events wait for a member, counting those that are lost and not yet told.
    pub(super) fn lag(&self, place: u32) -> u64 {
        let place = place as usize;
        let (cursor, before) = match self.lone(place) {
            Some(lone) => {
                let backlog = lone.backlog.as_ref().map_or(0, |backlog| backlog.len());
                (lone.cursor, backlog)
            }
            None => (self.position(place), 0),
        };
        before + self.outlet.feed.end().saturating_sub(cursor)
    }

    /// Where a member has to be to be one of those who keep up.
    fn target(&self) -> u64 {
        self.pass.as_ref().map_or(self.walk, |pass| pass.end)
    }

    /// Takes a member out, without a word to its sink.
    pub(super) fn remove(&mut self, place: u32) {
        let place = place as usize;
        if self.ids[place].take().is_none() {
            return;
        }
        self.dead += 1;
        let lone = self.take_lone(place);
        self.members[place].from = NEVER;
        if let Some(lone) = lone {
            let mut shed = Shed::default();
            self.outlet.feed.leave_at(lone.cursor, &mut shed);
            self.core().account(&mut shed);
        }
        self.core().leave_seated(&self.outlet);
    }

    /// Gives up the group's place in the feed, and with it all members.
    pub(super) fn end(mut self, post: &Arc<Post>) {
        for place in 0..self.members.len() as u32 {
            self.remove(place);
        }
        let mut shed = Shed::default();
        self.outlet.feed.stand_up(post, self.walk, &mut shed);
        self.core().account(&mut shed);
    }

    /// Whether a slice would find something to do.
    pub(super) fn has_work(&self) -> bool {
        let feed = &self.outlet.feed;
        let catching_up = |ones: &LoneOnes| !ones.catching_up.is_empty();
        self.pass.is_some()
            || self.lone.as_deref().is_some_and(catching_up)
            || feed.has(self.walk)
            || (feed.ending() != Ending::Open && self.len() > 0)
    }

    /// Serves members until the slice is used up or nothing is left to do.
    pub(super) fn serve<S: Sink>(&mut self, post: &Arc<Post>, at: &mut Service<'_, '_, S>) {
        if self.lone.is_some() {
            self.go_ahead(post, at);
            self.serve_lone(at);
        }
        while !at.slice.is_over() && (self.pass.is_some() || self.begin_pass(post, at.slice)) {
            let what = self.pass.as_ref().map(|pass| &pass.what);
            let closes = matches!(what, Some(What::Close(_)));
            self.walk_on(at);
            if closes {
                // Whoever still catches up is closed in a later slice: another pass now
                // would find nobody.
                break;
            }
        }
        self.pack_if_sparse(at.locations);
    }

    /// Closes the holes that leavers left, once there are many and no pass is under way.
    pub(super) fn pack_if_sparse(&mut self, locations: &mut Locations) {
        let many = FEW_DEAD.max(self.members.len() / 4);
        if self.pass.is_none() && self.dead as usize > many {
            self.pack(locations);
        }
    }

    /// Finds out what the next pass is about. False when there is nothing.
    fn begin_pass(&mut self, post: &Arc<Post>, slice: &mut Slice<'_>) -> bool {
        let feed = &self.outlet.feed;
        let mut shed = Shed::default();
        // Before the look, so that an append after it is seen as still to come.
        let ending = feed.ending();
        let read = feed.look(Some(post), self.walk, RUN, slice.now(), &mut shed);
        self.core().account(&mut shed);
        let (what, end) = match read {
            Read::Got(run) => {
                let end = run.end();
                (What::Events(run), end)
            }
            Read::Missed(missed) => (What::Lag, self.walk + missed),
            Read::Nothing if ending != Ending::Open && self.len() > 0 => {
                (What::Close(CloseReason::HubClosed), self.walk)
            }
            Read::Nothing => return false,
        };
        self.pass = Some(Box::new(Pass {
            what,
            end,
            next: 0,
            until: self.members.len(),
        }));
        true
    }

    /// Goes on with the pass.
    fn walk_on<S: Sink>(&mut self, at: &mut Service<'_, '_, S>) {
        let Some(mut pass) = self.pass.take() else {
            return;
        };
        let through = match &pass.what {
            What::Events(run) => self.walk_with(run, &mut pass.next, pass.until, at),
            What::Lag => self.walk_lag(pass.end, &mut pass.next, pass.until, at),
            What::Close(reason) => self.walk_close(*reason, &mut pass.next, pass.until, at),
        };
        if through {
            self.end_pass(&pass, at);
            // Perhaps the last holder of its events, whose buffers are anybody's.
            contained(|| drop(pass));
        } else {
            self.pass = Some(pass);
        }
    }

    /// The walk that everything is about. True when it is through.
    fn walk_with<S: Sink>(
        &mut self,
        run: &Run,
        next: &mut usize,
        until: usize,
        at: &mut Service<'_, '_, S>,
    ) -> bool {
        let (first, events) = (run.first, run.events());
        while *next < until {
            if at.slice.is_over() {
                return false;
            }
            // Between two looks at the clock nothing is counted but members.
            let stretch = at.slice.stretch(events.len()).min(until - *next);
            let members = &self.members[*next..*next + stretch];
            let (mut walked, mut served) = (0, 0);
            let mut offered: &[Event] = &[];
            let mut flow = Flow::Taken;
            let sink = &mut *at.sink;
            let returned = contained(|| {
                for member in members {
                    walked += 1;
                    offered = match member.from {
                        from if from <= first => events,
                        from => usize::try_from(from - first)
                            .ok()
                            .and_then(|skip| events.get(skip..))
                            .unwrap_or_default(),
                    };
                    if offered.is_empty() {
                        continue;
                    }
                    served += offered.len();
                    flow = sink.deliver(member.token, offered);
                    if flow != Flow::Taken {
                        break;
                    }
                }
            });
            *next += walked;
            let word = returned.then_some(flow);
            if word == Some(Flow::Taken) {
                // A member that is passed by costs something too.
                at.slice.count(served.max(walked / 16), served);
                continue;
            }
            let taken = taken(word, offered);
            at.slice.count(served, served - offered.len() + taken);
            let cursor = run.end() - (offered.len() - taken) as u64;
            if let Some(verdict) = verdict(word, cursor, offered.len(), self.core()) {
                self.carry_out(verdict, *next - 1, at);
            }
        }
        true
    }

    /// Tells everybody that what the feed has given up is gone.
    fn walk_lag<S: Sink>(
        &mut self,
        end: u64,
        next: &mut usize,
        until: usize,
        at: &mut Service<'_, '_, S>,
    ) -> bool {
        while *next < until {
            if at.slice.is_over() {
                return false;
            }
            let place = *next;
            *next += 1;
            let member = &self.members[place];
            let from = member.from.max(self.walk);
            if from >= end {
                continue;
            }
            at.slice.count(1, 0);
            let verdict = match self.outlet.feed.limits().overflow {
                Overflow::Disconnect => Some(Verdict::Leave(Some(self.outlet.why_ended(from)))),
                _ => {
                    self.core().meters.missed(end - from);
                    let word = ask(|| at.sink.lagged(member.token, end - from));
                    verdict(word, end, 0, self.core())
                }
            };
            if let Some(verdict) = verdict {
                self.carry_out(verdict, place, at);
            }
        }
        true
    }

    /// Tells everybody that it is over.
    fn walk_close<S: Sink>(
        &mut self,
        reason: CloseReason,
        next: &mut usize,
        until: usize,
        at: &mut Service<'_, '_, S>,
    ) -> bool {
        while *next < until {
            if at.slice.is_over() {
                return false;
            }
            let place = *next;
            *next += 1;
            // A member that still catches up is closed when it is level.
            let catches_up = self.lone(place).is_some_and(|lone| !lone.stalled);
            if self.ids[place].is_some() && !catches_up {
                at.slice.count(1, 0);
                self.carry_out(Verdict::Leave(Some(reason)), place, at);
            }
        }
        true
    }

    fn carry_out<S: Sink>(&mut self, verdict: Verdict, place: usize, at: &mut Service<'_, '_, S>) {
        match verdict {
            Verdict::Stall { cursor, taken } => self.stall(place, cursor, taken),
            Verdict::Leave(reason) => self.depart(place, reason, at),
        }
    }

    /// Takes a member out in the middle of a slice.
    fn depart<S: Sink>(
        &mut self,
        place: usize,
        reason: Option<CloseReason>,
        at: &mut Service<'_, '_, S>,
    ) {
        at.left.extend(self.ids[place]);
        self.remove(place as u32);
        if let Some(reason) = reason {
            if reason == CloseReason::SlowConsumer {
                self.core().meters.slow_closed();
            }
            let token = self.members[place].token;
            contained(|| at.sink.closed(token, reason));
        }
    }

    fn end_pass<S: Sink>(&mut self, pass: &Pass, at: &mut Service<'_, '_, S>) {
        let mut shed = Shed::default();
        self.outlet.feed.advance(self.walk, pass.end, &mut shed);
        self.walk = pass.end;
        self.core().account(&mut shed);
        if let What::Events(run) = &pass.what {
            let now = at.slice.read_clock();
            for event in run.events() {
                let waited = now.saturating_sub(event.published_nanos());
                self.core().meters.drained(waited);
            }
        }
        if self.lone.is_some() && self.outlet.feed.limits().overflow == Overflow::Disconnect {
            self.close_overtaken(at);
        }
    }

    fn pack(&mut self, locations: &mut Locations) {
        let mut kept = 0;
        for place in 0..self.members.len() {
            if let Some(id) = self.ids[place] {
                self.members.swap(kept, place);
                self.ids.swap(kept, place);
                locations.moved(id, kept as u32);
                kept += 1;
            }
        }
        self.members.truncate(kept);
        self.ids.truncate(kept);
        self.dead = 0;
        if kept * 4 < self.members.capacity() {
            self.members.shrink_to_fit();
            self.ids.shrink_to_fit();
        }
    }
}

/// What a slice works with.
pub(super) struct Service<'a, 'c, S> {
    pub(super) sink: &'a mut S,
    pub(super) slice: &'a mut Slice<'c>,
    pub(super) locations: &'a mut Locations,
    /// Takes the names of those who leave.
    pub(super) left: &'a mut Vec<MemberId>,
}

/// A sink's word; `None` when it panicked instead.
fn ask(sink: impl FnOnce() -> Flow) -> Option<Flow> {
    let mut word = None;
    contained(|| word = Some(sink()));
    word
}

/// How many of the events offered were taken.
fn taken(word: Option<Flow>, offered: &[Event]) -> usize {
    match word {
        Some(Flow::Taken) => offered.len(),
        Some(Flow::Stalled { taken }) => taken.min(offered.len()),
        Some(Flow::Close | Flow::AlreadyClosed) | None => 0,
    }
}

/// What follows from a sink's word; `None` when all is well.
fn verdict(word: Option<Flow>, cursor: u64, offered: usize, core: &Core) -> Option<Verdict> {
    match word {
        Some(Flow::Taken) => None,
        Some(Flow::Stalled { taken }) => Some(Verdict::Stall { cursor, taken }),
        Some(Flow::Close) => Some(Verdict::Leave(None)),
        Some(Flow::AlreadyClosed) => {
            core.meters.wrote_to_closed(offered.max(1) as u64);
            Some(Verdict::Leave(None))
        }
        None => {
            core.meters.panicked();
            Some(Verdict::Leave(Some(CloseReason::Panicked)))
        }
    }
}

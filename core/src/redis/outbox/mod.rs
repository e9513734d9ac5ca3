//! The way out: from a publish on any thread to what became of it.
//!
//! ```text
//! any thread      the backplane's thread
//! ──────────      ──────────────────────────────────────────────────────────
//! push ─▶ queue ─▶ route ─▶ waiting ─▶ take ─▶ in flight ─▶ settle ─▶ outcome
//!                             ▲                    │            │
//!                             └──── again ─────────┘            └─▶ window
//! ```
//!
//! [`Queue`] is what threads share: a lock, a list and a budget of bytes. Everything after
//! it belongs to one thread and is pure: it is told what happened and when, and holds no
//! connection. Per link there is one line that waits and one list of what is in flight;
//! links are answered in the order they were written to.
//!
//! What an event is promised when things go wrong:
//!
//! | way | the connection breaks while it is in flight | the server says "not now" |
//! |---|---|---|
//! | plain | `Unconfirmed`: sent again it might be heard twice | sent again |
//! | enveloped | sent again; readers know its serial | sent again |
//! | replayed, durable | sent again; the log knows its serial | sent again |
//!
//! Sent again means: in the old order, before everything later, until the deadline.
//!
//! # Invariants
//!
//! - Every event has exactly one outcome, whatever happens to links and servers.
//! - Events of a topic are sent in the order of their publishing. When one has to be sent
//!   again, nothing new goes out on its link until all that is in flight there is answered.
//!   Should a later one have been kept in the meantime after all, a log would be out of
//!   order: so each event of a log names the serial that must be there before it. What is
//!   sent again goes in the order of its serials, wherever it waited: a log that was given
//!   a later one first takes an earlier one for known.
//! - The bytes of events without an outcome never exceed the budget.
//! - While a slot of a cluster moves, logs go ahead of it one by one. What is said of such a
//!   topic holds for that topic alone, until the slot has followed.
//! - A log's events stay in the window for a while after they were acknowledged. A server
//!   that takes over may lack them: they are sent to it before anything else is.

mod channels;
mod denial;
mod departures;
mod encode;
mod holding;
mod parcel;
mod queue;
mod refusal;
mod settle;
#[cfg(test)]
mod tests;
mod window;

use std::{
    collections::VecDeque,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use ahash::AHashMap as HashMap;
use bytes::Bytes;

pub(crate) use channels::{HUB, hub_of, is_ours};
pub(crate) use departures::MOST_FLYING;
pub(crate) use queue::Queue;
pub(crate) use refusal::{NOT_ALONE, Trouble};

use self::{
    channels::Channels,
    denial::Denial,
    departures::{Departures, Landed},
    encode::Encoder,
    parcel::Parcel,
    queue::Posted,
    settle::Settling,
    window::Window,
};
use super::{
    arrival::Stamp,
    log::script::Retention,
    modes::{Modes, Way},
    names::{RESERVED, is_reserved},
    socket::{Commands, Reply},
    wire::envelope,
};
use crate::{
    backplane::{Acknowledge, Acknowledged, ForwardError, ForwardErrorKind},
    event::Publication,
    topic::Topic,
};

/// Whether an event can travel as its topic does: asked by its publisher's thread.
pub(crate) fn check(modes: &Modes, event: &Publication) -> Result<(), ForwardError> {
    let unsupported =
        |why: String| Err(ForwardError::new(ForwardErrorKind::Unsupported).because(why));
    let topic = event.topic().as_str();
    if is_reserved(topic) {
        return unsupported(format!("{topic:?} {RESERVED}"));
    }
    let (attributes, key) = event.headers();
    let has_headers = key.is_some() || !attributes.is_empty();
    // Only then does it matter how its topic travels.
    if !has_headers && !event.payload().starts_with(&envelope::MARK) {
        return Ok(());
    }
    if !modes.of(topic).is_plain() {
        return Ok(());
    }
    let why = if has_headers {
        "a key and attributes need an envelope around the payload: give the topic one by the option `envelope`, or a mode that keeps a log"
    } else {
        "the payload begins like an envelope, and plain it would be read as one: give the topic one by the option `envelope`, or a mode that keeps a log"
    };
    unsupported(why.to_owned())
}

/// What is known of the server behind a link, once its connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Server {
    /// What stands for its replication id, if that is known.
    pub(crate) id: Option<u64>,
    /// Events go out by `SPUBLISH`.
    pub(crate) sharded: bool,
    /// No other server is looked for: what is elsewhere stays out of reach.
    pub(crate) alone: bool,
}

/// How much, how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long an event may wait for its outcome to begin.
    pub(crate) deadline: Duration,
    /// Acknowledged events of logs: how many bytes, and for how long.
    pub(crate) window_bytes: usize,
    pub(crate) window_age: Duration,
    /// How long a durable event waits for a replica.
    pub(crate) replica_wait: Duration,
    pub(crate) retention: Retention,
}

/// What one look at the replies has told.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// What the one who drives the connections should know, each kind once.
    pub(crate) troubles: Vec<Trouble>,
    /// Plain events that did not go out after all: no echo of them will come.
    pub(crate) refused: Vec<(Topic, Bytes)>,
    /// Logs that are elsewhere, in the server's words: for [`Outbox::go_ahead`].
    pub(crate) places: Vec<(Topic, String)>,
}

/// How often it is looked for what has waited too long behind what may wait longer.
const GLANCE: Duration = Duration::from_millis(100);

/// How long after a log was not where it was said to be no other is looked for ahead of its
/// slot: nodes that contradict each other are asked slowly.
const SPURNED: Duration = Duration::from_millis(500);

/// Events that had an outcome, since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    /// Events that were acknowledged, and that the log of a server that took over may lack:
    /// it refused them, or could not be given them in time.
    pub(crate) voided: u64,
}

/// What a publisher is to be told: foreign code, called by whoever drives the outbox and
/// when nothing is borrowed.
pub(crate) type Untold = (Acknowledge, Result<Acknowledged, ForwardError>);

/// Outcomes that were found and are not told yet.
#[derive(Default)]
struct Outcomes {
    tally: Tally,
    /// Bytes to be given back to the queue's budget.
    released: usize,
    untold: Vec<Untold>,
}

/// Everything on its way out. `L` names a link.
pub(crate) struct Outbox<L> {
    queue: Arc<Queue>,
    /// The queue's other half: empty between calls.
    spare: Vec<Posted>,
    modes: Modes,
    limits: Limits,
    channels: Channels<L>,
    links: HashMap<L, Departures>,
    /// What belongs to no link at present.
    homeless: VecDeque<Parcel>,
    /// Topics whose logs have gone ahead of their slots, and where they are.
    ahead: HashMap<Topic, L>,
    /// A link is gone that some had gone to.
    stranded: bool,
    spurned: Option<Instant>,
    denial: Option<Denial<L>>,
    glance: Option<Instant>,
    window: Window,
    encoder: Encoder,
    outcomes: Outcomes,
}

impl<L: Copy + Eq + Hash> Outbox<L> {
    /// For a hub: `publisher` is its number among all, see [`channels::is_ours`].
    pub(crate) fn new(queue: Arc<Queue>, modes: Modes, limits: Limits, publisher: u64) -> Self {
        Outbox {
            queue,
            spare: Vec::new(),
            modes,
            limits,
            channels: Channels::new(publisher),
            links: HashMap::new(),
            homeless: VecDeque::new(),
            ahead: HashMap::new(),
            stranded: false,
            spurned: None,
            denial: None,
            glance: None,
            window: Window::new(limits.window_bytes, limits.window_age),
            encoder: Encoder::default(),
            outcomes: Outcomes::default(),
        }
    }

    /// Takes what was pushed since the last time, and lines it up at the links. `route` has
    /// the same answers as at the last [`reroute`](Self::reroute).
    pub(crate) fn collect(&mut self, mut route: impl FnMut(&Topic, Way) -> Option<L>) {
        self.queue.drain(&mut self.spare);
        let mut posted = std::mem::take(&mut self.spare);
        let leaving = self.links.values().any(Departures::is_leaving);
        for posted in posted.drain(..) {
            let topic = posted.event.topic();
            let way = self.modes.of(topic.as_str());
            let link = leaving
                .then(|| self.leaves(topic))
                .flatten()
                .or_else(|| self.ahead.get(topic).copied())
                .or_else(|| route(topic, way));
            self.line_up(Parcel::new(posted, way), link);
        }
        self.spare = posted;
    }

    /// The link that earlier events of a topic are still to leave for another one.
    fn leaves(&self, topic: &Topic) -> Option<L> {
        let mut links = self.links.iter();
        links
            .find(|(_, departures)| departures.leaving.contains(topic))
            .map(|(link, _)| *link)
    }

    fn line_up(&mut self, parcel: Parcel, link: Option<L>) {
        match link {
            Some(link) => {
                let departures = self.links.entry(link).or_default();
                departures.waiting.push_back(parcel);
            }
            None => self.homeless.push_back(parcel),
        }
    }

    /// A link's connection stands. If another server is behind it than before, which it
    /// returns, it gets again what the window holds for it.
    pub(crate) fn connected(&mut self, link: L, server: Server) -> bool {
        // Should the end of the last one not have been told.
        self.broken(link);
        let departures = self.links.entry(link).or_default();
        let other = departures.connected(server);
        if other {
            let channels = &self.channels;
            let again = self
                .window
                .take(|parcel| channels.link(parcel.topic()) == Some(link));
            self.send_again(link, again);
        }
        other
    }

    /// A connection was made anew: what would trim logs that the hub has yet to read waits,
    /// for a moment.
    pub(crate) fn hold(&mut self, link: L, now: Instant) {
        if let Some(departures) = self.links.get_mut(&link) {
            departures.holding.begin(now);
        }
    }

    /// Whether anything waits so. Nobody says when it may go: [`take`](Self::take) looks.
    pub(crate) fn is_holding(&self, link: L) -> bool {
        let departures = self.links.get(&link);
        departures.is_some_and(|departures| !departures.holding.is_empty())
    }

    /// A link's connection is gone. What was in flight is sent again by the next one, or
    /// has its outcome now.
    pub(crate) fn broken(&mut self, link: L) {
        // The next connection's user may have other rights.
        self.denial.take_if(|denial| denial.link == link);
        self.stranded |= self.ahead.values().any(|to| *to == link);
        let Some(departures) = self.links.get_mut(&link) else {
            return;
        };
        let (lost, again) = departures.broken();
        for parcel in lost {
            parcel.unconfirmed(&mut self.outcomes);
        }
        let again = departures.waiting.iter().take(again);
        self.channels.roll_back(again.map(Parcel::topic));
        self.release();
    }

    /// The routes have changed: everything that waits is lined up where it belongs now. A
    /// link with something in flight keeps what it has until that is answered; then
    /// [`wants_rerouting`](Self::wants_rerouting) asks for another call.
    pub(crate) fn reroute(&mut self, mut route: impl FnMut(&Topic, Way) -> Option<L>) {
        self.stranded = false;
        let modes = &self.modes;
        let mut ahead = std::mem::take(&mut self.ahead);
        // Slots may have followed.
        ahead.retain(|topic, to| {
            let link = self.links.get(to);
            link.is_some_and(Departures::is_connected)
                && route(topic, modes.of(topic.as_str())) != Some(*to)
        });
        let mut route =
            |topic: &Topic, way| ahead.get(topic).copied().or_else(|| route(topic, way));
        let mut moved = VecDeque::new();
        for (link, departures) in &mut self.links {
            departures.resume();
            departures.let_go();
            departures.leaving.clear();
            let mut leaves = |parcel: &Parcel| route(parcel.topic(), parcel.way) != Some(*link);
            if departures.is_flying() {
                departures.leave(leaves);
                continue;
            }
            let waiting = std::mem::take(&mut departures.waiting);
            for parcel in waiting {
                let to = if leaves(&parcel) {
                    &mut moved
                } else {
                    &mut departures.waiting
                };
                to.push_back(parcel);
            }
        }
        moved.append(&mut self.homeless);
        let (links, channels) = (&self.links, &self.channels);
        let mut again = self.window.take(|parcel| {
            let topic = parcel.topic();
            let was = channels.link(topic);
            let leaving = was
                .and_then(|was| links.get(&was))
                .is_some_and(|departures| departures.leaving.contains(topic));
            !leaving && was != route(topic, parcel.way)
        });
        self.channels.forget(again.iter().map(Parcel::topic));
        self.channels.roll_back(moved.iter().map(Parcel::topic));
        let (fresh, numbered) = moved
            .into_iter()
            .partition::<Vec<_>, _>(|parcel| parcel.serial == 0);
        again.extend(numbered);
        parcel::in_order(&mut again);
        for parcel in again.into_iter().chain(fresh) {
            let link = route(parcel.topic(), parcel.way);
            self.line_up(parcel, link);
        }
        self.ahead = ahead;
        self.links
            .retain(|_, departures| departures.is_connected() || !departures.is_idle());
    }

    /// A link has said that the log of a topic is elsewhere: ahead of its slot, at the link
    /// `to`, or where its slot is. True if that is news: then [`reroute`](Self::reroute) is
    /// to be called. Commands for a log that is ahead go out behind an `ASKING`.
    pub(crate) fn go_ahead(&mut self, topic: &Topic, from: L, to: Option<L>, now: Instant) -> bool {
        let Some(to) = to else {
            let spurned = self.ahead.get(topic) == Some(&from);
            if spurned {
                self.ahead.remove(topic);
                self.spurned = Some(now);
            }
            return spurned;
        };
        let is_connected = self.links.get(&to).is_some_and(Departures::is_connected);
        if !is_connected || self.spurned.is_some_and(|at| now < at + SPURNED) {
            return false;
        }
        self.ahead.insert(topic.clone(), to) != Some(to)
    }

    /// Whether a link has run empty whose events belong elsewhere.
    pub(crate) fn wants_rerouting(&self) -> bool {
        let mut links = self.links.values();
        self.stranded || links.any(|departures| departures.is_leaving() && !departures.is_flying())
    }

    /// The next pipeline for a link, if there is anything to send and the link may. `plain`
    /// hears of each payload that goes out as it is, before it does. For a while after
    /// [`hold`](Self::hold), topics wait of which the hub is `behind` with reading the log.
    pub(crate) fn take(
        &mut self,
        link: L,
        now: Stamp,
        behind: impl Fn(&Topic) -> bool,
        mut plain: impl FnMut(&Topic, &Bytes),
    ) -> Option<Commands> {
        let departures = self.links.get_mut(&link)?;
        let mut batch = departures.begin(now.instant, &behind)?;
        while batch.has_room()
            && let Some(mut parcel) = departures.next(now.instant, &self.limits, &behind)
        {
            if parcel.is_late(now.instant, &self.limits) {
                parcel.late(&mut self.outcomes);
                continue;
            }
            if parcel.way.is_plain() {
                plain(parcel.topic(), parcel.event.payload());
            }
            let ticket = self.channels.depart(&mut parcel, link, now.instant);
            parcel.asked = self.ahead.get(parcel.topic()) == Some(&link);
            if parcel.asked {
                batch.commands.command(&[b"ASKING"]);
            }
            let wire = &mut departures.wire;
            let retention = &self.limits.retention;
            self.encoder
                .write(&mut batch.commands, &parcel, ticket, wire, retention, now);
            batch.add(parcel);
        }
        let commands = departures.depart(batch, self.limits.replica_wait);
        self.release();
        commands
    }

    /// The replies to the oldest pipeline that is in flight on a link. `numbered` hears which
    /// numbers events got in their logs.
    pub(crate) fn settle(
        &mut self,
        link: L,
        replies: &[Reply],
        now: Stamp,
        mut numbered: impl FnMut(&Topic, u64),
    ) -> Settled {
        let mut settled = Settled::default();
        if let Some(departures) = self.links.get_mut(&link)
            && let Some(flight) = departures.land()
        {
            let mut settling = Settling {
                link,
                denial: &mut self.denial,
                channels: &mut self.channels,
                window: &mut self.window,
                outcomes: &mut self.outcomes,
                settled: &mut settled,
                numbered: &mut numbered,
            };
            settling.settle(departures, flight, replies, now.instant);
            if let Some(landed) = departures.landed() {
                self.repeat(link, landed);
            }
        }
        self.release();
        settled
    }

    /// All that was in flight on a link is answered, and some of it goes out again: first
    /// what logs turned out to lack, then what was refused.
    fn repeat(&mut self, link: L, landed: Landed) {
        let channels = &self.channels;
        let lacking = self
            .window
            .take(|parcel| landed.lacking.contains(parcel.topic()) && channels.lacks(parcel));
        if let Some(departures) = self.links.get_mut(&link) {
            let mut again = lacking;
            again.extend(departures.waiting.drain(..landed.again));
            self.channels.roll_back(again.iter().map(Parcel::topic));
            parcel::in_order(&mut again);
            departures.put_first(again);
        }
    }

    /// Lines up at the front what another server may lack, and with it what waits of the
    /// same topics and has its place among that.
    fn send_again(&mut self, link: L, mut again: Vec<Parcel>) {
        self.channels.forget(again.iter().map(Parcel::topic));
        let departures = self.links.entry(link).or_default();
        again.extend(departures.take_numbered(&again));
        parcel::in_order(&mut again);
        departures.put_first(again);
    }

    /// Gives up what has waited too long, and forgets what need not be known any more.
    pub(crate) fn expire(&mut self, now: Instant) {
        let behind = self.glance.is_none_or(|glance| glance <= now);
        if behind {
            self.glance = Some(now + GLANCE);
        }
        let links = self.links.values_mut();
        let waiting = links.flat_map(|link| [&mut link.holding.parcels, &mut link.waiting]);
        for line in waiting.chain([&mut self.homeless]) {
            parcel::expire(line, behind, now, &self.limits, &mut self.outcomes);
        }
        self.window.expire(now);
        self.channels.sweep(now);
        self.release();
    }

    /// When [`expire`](Self::expire) or [`take`](Self::take) has something to do that no
    /// other call brings about.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        let pauses = self.links.values().filter_map(|link| link.resumes(now));
        let links = self.links.values();
        let lines = links.flat_map(|link| [&link.holding.parcels, &link.waiting]);
        let late = lines.chain([&self.homeless]).filter_map(|line| {
            let front = line.front()?;
            let due = front.due(&self.limits);
            Some(match front.is_told() {
                true => due.min(self.glance.unwrap_or(now)),
                false => due,
            })
        });
        pauses.chain(late).min()
    }

    /// Whether nothing waits for a link and nothing is in flight there.
    pub(crate) fn is_through(&self, link: L) -> bool {
        self.links.get(&link).is_none_or(Departures::is_idle)
    }

    /// Whether nothing waits and nothing is in flight.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.homeless.is_empty()
            && self.links.values().all(Departures::is_idle)
            && self.queue.is_empty()
    }

    /// What has to be told to publishers by now.
    pub(crate) fn untold(&mut self) -> Vec<Untold> {
        std::mem::take(&mut self.outcomes.untold)
    }

    /// What the user may not publish, for people.
    pub(crate) fn denied(&self, now: Instant) -> Option<String> {
        self.denial.as_ref()?.text(now)
    }

    /// What has had an outcome so far.
    pub(crate) fn tally(&self) -> Tally {
        self.outcomes.tally
    }

    fn release(&mut self) {
        let bytes = std::mem::take(&mut self.outcomes.released);
        if bytes > 0 {
            self.queue.release(bytes);
        }
    }
}

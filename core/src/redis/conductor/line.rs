//! What the tasks around one link share: the conductor's view of it.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::doubting::Rest;
use crate::redis::{
    interest::Ledger, link::State, socket::Session, target::Server, topology::LinkId, watch::Watch,
};

/// A server that has been silent for longer may be dead: probes go out more often.
const PROMPT: Duration = Duration::from_millis(1_250);

/// One link of the plan, through all its connections.
pub(super) struct Line {
    pub(super) id: LinkId,
    pub(super) server: Server,
    /// The names that are heard here, or are to be.
    pub(super) ledger: RefCell<Ledger>,
    /// The connection, from the greeting on.
    pub(super) session: RefCell<Option<Session>>,
    /// What stands for the server's replication id, if it tells it.
    pub(super) lineage: Cell<Option<u64>>,
    pub(super) state: Cell<State>,
    /// How the server is.
    pub(super) watch: RefCell<Watch>,
    /// Since when its names are heard, or are not.
    pub(super) since: Cell<Instant>,
    /// What the server did not let this hub do when it was greeted last, in its words.
    pub(super) denied: RefCell<Vec<String>>,
    /// When anything was read from it last.
    pub(super) heard: Cell<Instant>,
    /// For how long it is not asked over another connection whether it hears this one.
    pub(super) rest: Cell<Rest>,
    /// Another line succeeds this one.
    pub(super) leaving: Cell<bool>,
    /// It is left, and what it was for is done by another line.
    pub(super) handed: Cell<bool>,
    /// It is left, and events without a log still go out by it.
    pub(super) speaks: Cell<bool>,
    /// Another line brings what this one does, and counts.
    pub(super) mute: Cell<bool>,
    /// It succeeds another one: a fleet does the same at this moment, so it waits its share.
    pub(super) succeeds: bool,
    /// The ledger may have something to send.
    pub(super) stirred: Notify,
    /// The ledger has learned something.
    pub(super) learned: Notify,
    /// A probe is about to go out.
    pub(super) probing: Notify,
    /// There may be something to publish here.
    pub(super) filled: Notify,
    /// The server's count of our names was ours, on this connection.
    pub(super) audited: Cell<bool>,
    /// The link is to end: once what is in flight has gone out.
    pub(super) parting: Notify,
    /// It is to end, and nothing is published here any more.
    pub(super) closing: Cell<bool>,
}

impl Line {
    pub(super) fn new(id: LinkId, server: Server, succeeds: bool, ledger: Ledger) -> Self {
        let now = Instant::now();
        Line {
            id,
            watch: RefCell::new(Watch::new(server.to_string())),
            server,
            ledger: RefCell::new(ledger),
            session: RefCell::default(),
            lineage: Cell::new(None),
            state: Cell::new(State::Idle),
            since: Cell::new(now),
            denied: RefCell::default(),
            heard: Cell::new(now),
            rest: Cell::new(Rest::NONE),
            leaving: Cell::new(false),
            handed: Cell::new(false),
            speaks: Cell::new(false),
            mute: Cell::new(false),
            succeeds,
            stirred: Notify::new(),
            learned: Notify::new(),
            probing: Notify::new(),
            filled: Notify::new(),
            audited: Cell::new(false),
            parting: Notify::new(),
            closing: Cell::new(false),
        }
    }

    /// It is in this state now. Whether its names were heard and are not any more.
    pub(super) fn turn(&self, state: State) -> bool {
        let was = self.is_joined();
        self.state.set(state);
        if self.is_joined() != was {
            self.since.set(Instant::now());
        }
        was && !self.is_joined()
    }

    /// Whether its names are heard.
    pub(super) fn is_joined(&self) -> bool {
        matches!(
            self.state.get(),
            State::CatchingUp | State::Live | State::Degraded
        )
    }

    /// Whether its server answered a moment ago.
    pub(super) fn is_prompt(&self, now: Instant) -> bool {
        self.state.get() == State::Live && now.saturating_duration_since(self.heard.get()) < PROMPT
    }

    /// Ends the link.
    pub(super) fn part(&self) {
        self.closing.set(true);
        self.parting.notify_one();
        self.filled.notify_one();
    }
}

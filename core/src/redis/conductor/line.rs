//! What the tasks around one link share: the conductor's view of it.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use tokio::sync::Notify;

use crate::redis::{
    interest::Ledger,
    link::State,
    socket::{Kind, Session},
    target::Server,
    topology::LinkId,
};

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
    /// The ledger may have something to send.
    pub(super) stirred: Notify,
    /// The ledger has learned something.
    pub(super) learned: Notify,
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
    pub(super) fn new(id: LinkId, server: Server, exact: Kind, linger: Duration) -> Self {
        Line {
            id,
            server,
            ledger: RefCell::new(Ledger::new(exact, linger)),
            session: RefCell::default(),
            lineage: Cell::new(None),
            state: Cell::new(State::Idle),
            stirred: Notify::new(),
            learned: Notify::new(),
            filled: Notify::new(),
            audited: Cell::new(false),
            parting: Notify::new(),
            closing: Cell::new(false),
        }
    }

    /// Ends the link.
    pub(super) fn part(&self) {
        self.closing.set(true);
        self.parting.notify_one();
        self.filled.notify_one();
    }
}

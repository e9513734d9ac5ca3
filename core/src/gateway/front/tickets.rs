//! Tickets: who shows one that is valid comes in as who they were, without a question to
//! the application.
//!
//! A ticket is valid while a connection that was let in by it, or for which it was
//! made, lives, and for a time of its own after the last of these has ended. It names a
//! session and what that may see; it is 128 random bits and nothing can be read from it.
//!
//! What has run out is forgotten when the table is used next, a few at a time: it may be
//! a lane that uses it, and the sessions of a crowd that did not come back take a while
//! to be dropped. Tickets without a connection are bounded in number; beyond that the
//! one that would run out first is forgotten, and its client asks the application like
//! anybody else.

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::{
    gateway::{hooks::Session, verdict::Grant},
    sync::Mutex,
};

/// The most tickets kept for clients that are not connected.
const MOST_WAITING: usize = 1 << 18;

/// The most tickets forgotten at a time. More than one, so that it is never behind for
/// long: no use of the table adds more than that.
const AT_A_TIME: usize = 16;

/// As long as anybody waits, where the time asked for is beyond what a clock can say.
const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What a client shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u128);

impl Ticket {
    /// `None` when the system has no randomness to give.
    fn draw() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(Ticket(u128::from_ne_bytes(bytes)))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain
            .then(|| u128::from_str_radix(text, 16).ok().map(Ticket))
            .flatten()
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[derive(Default)]
pub(super) struct Tickets(Mutex<Table>);

#[derive(Default)]
struct Table {
    // Keyed with care: who guesses at tickets chooses the keys that are looked up.
    known: HashMap<Ticket, Known, ahash::RandomState>,
    /// Those without a connection, by when they run out.
    waiting: BTreeSet<(Instant, Ticket)>,
}

struct Known {
    grant: Arc<Grant>,
    session: Session,
    valid: Duration,
    holders: usize,
    /// When it runs out, while nobody holds it.
    until: Option<Instant>,
}

/// Sessions on their way out of the table: the application's destructors do not run
/// under its lock.
type Gone = SmallVec<[Known; 1]>;

impl Tickets {
    /// Makes a ticket and holds it. `None` where the grant asks for none.
    pub(super) fn issue(
        self: &Arc<Self>,
        grant: &Arc<Grant>,
        session: &Session,
        now: Instant,
    ) -> Option<Held> {
        let valid = grant.ticket?;
        let ticket = Ticket::draw()?;
        let known = Known {
            grant: Arc::clone(grant),
            session: Arc::clone(session),
            valid,
            holders: 1,
            until: None,
        };
        let mut table = self.0.lock();
        let gone = table.forget(now);
        table.known.insert(ticket, known);
        drop(table);
        drop(gone);
        Some(self.held(ticket))
    }

    /// What this ticket stands for, if it is valid; held from here on.
    pub(super) fn show(
        self: &Arc<Self>,
        ticket: Ticket,
        now: Instant,
    ) -> Option<(Held, Arc<Grant>, Session)> {
        let mut table = self.0.lock();
        let gone = table.forget(now);
        let Table { known, waiting } = &mut *table;
        let found = known.get_mut(&ticket);
        let valid = found.filter(|known| known.until.is_none_or(|until| until > now));
        let found = valid.map(|known| {
            if let Some(until) = known.until.take() {
                waiting.remove(&(until, ticket));
            }
            known.holders += 1;
            (Arc::clone(&known.grant), Arc::clone(&known.session))
        });
        drop(table);
        drop(gone);
        let (grant, session) = found?;
        Some((self.held(ticket), grant, session))
    }

    fn held(self: &Arc<Self>, ticket: Ticket) -> Held {
        Held {
            tickets: Arc::clone(self),
            ticket,
        }
    }

    fn give_back(&self, ticket: Ticket, now: Instant) {
        let mut table = self.0.lock();
        let Table { known, waiting } = &mut *table;
        if let Some(known) = known.get_mut(&ticket) {
            known.holders -= 1;
            if known.holders == 0 {
                let until = now.checked_add(known.valid).unwrap_or(now + LONG);
                known.until = Some(until);
                waiting.insert((until, ticket));
            }
        }
        let gone = table.forget(now);
        drop(table);
        drop(gone);
    }
}

impl Table {
    /// Takes out some of what has run out by now, and what is too much.
    fn forget(&mut self, now: Instant) -> Gone {
        let mut gone = Gone::new();
        for _ in 0..AT_A_TIME {
            let too_many = self.waiting.len() > MOST_WAITING;
            match self.waiting.first() {
                Some((until, ticket)) if *until <= now || too_many => {
                    gone.extend(self.known.remove(ticket));
                }
                _ => break,
            }
            self.waiting.pop_first();
        }
        gone
    }
}

/// A ticket in use. When it is dropped the ticket's time begins to run.
pub(super) struct Held {
    tickets: Arc<Tickets>,
    ticket: Ticket,
}

impl Held {
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Makes the ticket worthless, whoever else holds it.
    pub(super) fn revoke(self) {
        let mut table = self.tickets.0.lock();
        let gone = table.known.remove(&self.ticket);
        if let Some(until) = gone.as_ref().and_then(|known| known.until) {
            table.waiting.remove(&(until, self.ticket));
        }
        drop(table);
        drop(gone);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tickets.give_back(self.ticket, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: Duration = Duration::from_secs(60);

    fn issue(tickets: &Arc<Tickets>) -> Held {
        let grant = Arc::new(Grant {
            ticket: Some(VALID),
            ..Grant::default()
        });
        let session: Session = Arc::new(7_u32);
        tickets.issue(&grant, &session, Instant::now()).unwrap()
    }

    #[test]
    fn a_ticket_that_was_revoked_is_worthless() {
        let tickets = Arc::new(Tickets::default());
        let held = issue(&tickets);
        let ticket = held.ticket();
        let now = Instant::now();
        let (other, ..) = tickets.show(ticket, now).unwrap();
        held.revoke();
        assert!(tickets.show(ticket, now).is_none());
        drop(other);
        assert!(tickets.show(ticket, now).is_none());
        assert!(tickets.0.lock().waiting.is_empty());
    }

    #[test]
    fn a_ticket_is_valid_while_held_and_for_its_time_after() {
        let tickets = Arc::new(Tickets::default());
        let held = issue(&tickets);
        let ticket = held.ticket();
        let late = Instant::now() + 10 * VALID;
        assert!(tickets.show(ticket, late).is_some(), "held by the first");
        drop(held);
        let (second, _, session) = tickets.show(ticket, Instant::now()).unwrap();
        assert_eq!(session.downcast_ref(), Some(&7_u32));
        drop(second);
        let after = Instant::now() + VALID;
        assert!(tickets.show(ticket, after).is_none());
        assert!(tickets.0.lock().known.is_empty());
    }

    #[test]
    fn a_crowd_that_ran_out_is_forgotten_bit_by_bit_and_not_let_in() {
        let tickets = Arc::new(Tickets::default());
        let held: Vec<_> = (0..100).map(|_| issue(&tickets)).collect();
        let shown: Vec<_> = held.iter().map(Held::ticket).collect();
        drop(held);
        let after = Instant::now() + VALID;
        for ticket in &shown {
            assert!(tickets.show(*ticket, after).is_none());
        }
        assert!(tickets.0.lock().known.is_empty());
    }

    #[test]
    fn the_time_counts_from_the_last_holder() {
        let tickets = Arc::new(Tickets::default());
        let held = issue(&tickets);
        let ticket = held.ticket();
        let (second, ..) = tickets.show(ticket, Instant::now()).unwrap();
        drop(held);
        let late = Instant::now() + 10 * VALID;
        assert!(tickets.show(ticket, late).is_some());
        drop(second);
        assert_eq!(tickets.0.lock().waiting.len(), 1);
    }

    #[test]
    fn a_ticket_is_written_as_it_is_read_and_nothing_else_is_one() {
        let ticket = Ticket(0xab);
        let text = ticket.to_string();
        assert_eq!(Ticket::parse(&text), Some(ticket));
        let long = format!("{text}0");
        for other in ["", "ab", &text[1..], &long, &text.replace('a', "+")] {
            assert_eq!(Ticket::parse(other), None, "{other}");
        }
    }

    #[test]
    fn no_two_tickets_are_alike() {
        let tickets = Arc::new(Tickets::default());
        let held: Vec<_> = (0..100).map(|_| issue(&tickets)).collect();
        let distinct: BTreeSet<_> = held.iter().map(Held::ticket).collect();
        assert_eq!(distinct.len(), 100);
    }

    #[test]
    fn a_grant_without_ticket_gets_none() {
        let tickets = Arc::new(Tickets::default());
        let session: Session = Arc::new(());
        let grant = Arc::new(Grant::default());
        assert!(tickets.issue(&grant, &session, Instant::now()).is_none());
    }

    #[test]
    fn tickets_that_wait_are_bounded() {
        let mut table = Table::default();
        let now = Instant::now();
        let session: Session = Arc::new(());
        let grant = Arc::new(Grant::default());
        for n in 0..=MOST_WAITING {
            let until = now + Duration::from_secs(1 + n as u64);
            let known = Known {
                grant: Arc::clone(&grant),
                session: Arc::clone(&session),
                valid: VALID,
                holders: 0,
                until: Some(until),
            };
            table.known.insert(Ticket(n as u128), known);
            table.waiting.insert((until, Ticket(n as u128)));
        }
        assert_eq!(table.forget(now).len(), 1);
        assert!(
            !table.known.contains_key(&Ticket(0)),
            "the first to run out"
        );
        assert_eq!(table.known.len(), MOST_WAITING);
    }
}

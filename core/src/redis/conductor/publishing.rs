//! Pipelines of the outbox, sent and settled.
//!
//! The outbox decides what goes where and what a reply means; here are the futures. A link
//! is written to as long as the outbox gives it something, and its replies are settled in
//! the order of writing.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::{sleep, sleep_until};

use super::{Conductor, line::Line};
use crate::{
    redis::{
        arrival::Stamp,
        builder::Settings,
        log::script::Retention,
        outbox::{Limits, Server, Trouble},
        socket::{Broken, Reply, Session},
        target::Topology,
        topology::Redirect,
    },
    topic::Topic,
};

/// A log that nothing was published to for so long goes away.
const LOG_MS: u64 = 24 * 3_600 * 1_000;

/// How long acknowledged events are kept for a server that may take over and lack them: a
/// demoted master may go on taking events for about ten seconds.
const WINDOW_AGE: Duration = Duration::from_secs(20);

/// How long after the last of a publisher its serial is known. What it sends again it
/// sends sooner.
const PUBLISHER_MS: u64 = 15 * 60 * 1_000;

/// The outbox's limits by what was asked for.
pub(super) fn limits(settings: &Settings) -> Limits {
    let deadline_ms = u64::try_from(settings.queue_deadline.as_millis()).unwrap_or(u64::MAX);
    Limits {
        deadline: settings.queue_deadline,
        window_bytes: settings.queue_bytes,
        window_age: WINDOW_AGE,
        replica_wait: settings.replica_wait,
        retention: Retention {
            length: settings.log_length,
            log_ms: LOG_MS,
            // What a server takes as a time to live at most.
            publisher_ms: deadline_ms.saturating_add(PUBLISHER_MS).min(1 << 50),
        },
    }
}

/// How often it is looked whether what is held may go.
const GLANCE: Duration = Duration::from_millis(10);

/// What a link has been asked and has not answered, oldest first.
type Open = VecDeque<Pin<Box<dyn Future<Output = Result<Vec<Reply>, Broken>>>>>;

/// Sends what is there for a link for as long as its connection stands.
pub(super) async fn publish(conductor: Rc<Conductor>, line: Rc<Line>, session: Session) {
    let server = Server {
        id: line.lineage.get(),
        sharded: conductor.common.settings.sharded,
        alone: conductor.common.settings.target.topology == Topology::Single,
    };
    {
        let mut outbox = conductor.outbox.borrow_mut();
        let is_other = outbox.connected(line.id, server);
        outbox.hold(line.id, Stamp::now().instant);
        if is_other {
            conductor.inbox.borrow_mut().disown();
        }
    }
    let mut open = Open::new();
    loop {
        send(&conductor, &line, &session, &mut open);
        let holding = conductor.outbox.borrow().is_holding(line.id);
        if open.is_empty() && line.closing.get() && conductor.outbox.borrow().is_through(line.id) {
            break;
        }
        tokio::select! {
            // What was answered before the end counts.
            biased;
            replies = answered(&mut open) => match replies {
                Ok(replies) => settle(&conductor, &line, &session, &replies),
                Err(_) => break,
            },
            () = line.filled.notified() => {}
            () = sleep(GLANCE), if holding => {}
            _ = session.closed() => break,
        }
    }
    conductor.outbox.borrow_mut().broken(line.id);
    conductor.outgoing();
}

fn send(conductor: &Conductor, line: &Line, session: &Session, open: &mut Open) {
    let now = Stamp::now();
    // A hub that closes reads no logs any more.
    let behind = |topic: &Topic| !line.closing.get() && conductor.is_behind(topic.as_str());
    loop {
        let plain = |topic: &Topic, payload: &Bytes| {
            conductor.will_echo(topic.as_str(), payload);
        };
        let mut outbox = conductor.outbox.borrow_mut();
        let taken = outbox.take(line.id, now, behind, plain);
        drop(outbox);
        let Some(commands) = taken else {
            break;
        };
        open.push_back(Box::pin(session.request(commands)));
    }
    conductor.tell_outcomes();
}

/// The oldest answer; none while nothing is open.
async fn answered(open: &mut Open) -> Result<Vec<Reply>, Broken> {
    match open.front_mut() {
        None => std::future::pending().await,
        Some(oldest) => {
            let replies = oldest.await;
            open.pop_front();
            replies
        }
    }
}

fn settle(conductor: &Rc<Conductor>, line: &Line, session: &Session, replies: &[Reply]) {
    let now = Stamp::now();
    let settled = {
        let mut inbox = conductor.inbox.borrow_mut();
        let numbered = |topic: &Topic, number| inbox.kept(topic.as_str(), number);
        let mut outbox = conductor.outbox.borrow_mut();
        outbox.settle(line.id, replies, now, numbered)
    };
    for (topic, payload) in settled.refused {
        conductor.will_not_echo(topic.as_str(), &payload);
        conductor.contained(|| drop(payload));
    }
    conductor.find_logs(line, &settled.places, now.instant);
    if !settled.troubles.is_empty() {
        // A pause may have begun.
        conductor.common.filled.notify_one();
    }
    for trouble in settled.troubles {
        match trouble {
            Trouble::Elsewhere(words) => conductor.refused_by(line.id, &words),
            Trouble::Demoted(words) => {
                conductor.refused_by(line.id, &words);
                session.close(&words);
            }
            Trouble::OutOfMemory => line.watch.borrow_mut().refused(now.instant),
            Trouble::Busy => {}
        }
    }
    conductor.outgoing();
}

impl Conductor {
    /// Brings published events to the links they go out by, and gives up those that have
    /// waited too long.
    pub(super) async fn sort(self: Rc<Self>) {
        loop {
            let now = Stamp::now().instant;
            let due = self.outbox.borrow().next_due(now);
            tokio::select! {
                () = self.common.filled.notified() => {}
                () = sleep_until(due.unwrap_or(now).into()), if due.is_some() => {}
            }
            let now = Stamp::now().instant;
            self.outbox.borrow_mut().expire(now);
            self.collect();
        }
    }

    /// Takes what was published, and wakes whoever sends it.
    pub(super) fn collect(&self) {
        self.outbox
            .borrow_mut()
            .collect(|topic, way| self.route(topic.as_str(), way.is_logged()));
        self.outgoing();
        for line in self.lines.borrow().values() {
            line.filled.notify_one();
        }
    }

    /// Logs are not where they were looked for: while their slot moves, some are at the next
    /// owner already.
    fn find_logs(&self, at: &Line, places: &[(Topic, String)], now: Instant) {
        let mut news = false;
        for (topic, words) in places {
            let to = match Redirect::parse(words, &at.server) {
                Some(Redirect::Ask { to, .. }) => self.plan.borrow().link_to(&to),
                _ => None,
            };
            let mut outbox = self.outbox.borrow_mut();
            news |= outbox.go_ahead(topic, at.id, to, now);
        }
        if news {
            self.reroute();
        }
    }

    /// The routes have changed.
    pub(super) fn reroute(&self) {
        self.outbox
            .borrow_mut()
            .reroute(|topic, way| self.route(topic.as_str(), way.is_logged()));
        self.common.filled.notify_one();
    }

    /// What follows when something has become of events.
    fn outgoing(&self) {
        if self.outbox.borrow().wants_rerouting() {
            self.reroute();
        }
        self.tell_outcomes();
    }

    fn tell_outcomes(&self) {
        let mut outbox = self.outbox.borrow_mut();
        let tally = outbox.tally();
        let untold = outbox.untold();
        drop(outbox);
        self.common.figures.sent.set(tally.sent);
        self.common.figures.failed.set(tally.failed);
        self.common.figures.voided.set(tally.voided);
        for (acknowledge, outcome) in untold {
            self.contained(|| acknowledge.tell(outcome));
        }
    }
}

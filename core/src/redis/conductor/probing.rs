//! Whether the server still hears us, and we it: the canary.
//!
//! Every probe goes the whole way: published by this connection, pushed back on it. Where
//! the user may not use the canary's channel, `PING` stands in: it shows that the server
//! lives, not that it forwards.
//!
//! A server answers in the order of its commands, and pushes what a command has published
//! before it answers the next one. So when a later probe is answered and an earlier one has
//! not come, it will not: the server has lost our subscriptions.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep};

use super::{Conductor, doubting::MARK, line::Line};
use crate::redis::{
    link::Input,
    socket::{Commands, Reply, Session},
    watch::{EVERY, LATE, Rhythm},
};

/// With nothing heard for so long, and a probe out, the connection is dead.
const SILENT: Duration = Duration::from_millis(2_500);

/// If this thread itself was not run for so long, what has come meanwhile is read before
/// anybody is blamed.
const STALLED: Duration = Duration::from_millis(600);

/// The probes of one connection.
pub(super) struct Probes {
    /// Those that are out stand in the line's watch.
    line: Rc<Line>,
    /// When anything was read last.
    alive: Cell<Instant>,
    /// Events that have come.
    came: Cell<u64>,
    late: Cell<bool>,
    lag: Cell<Duration>,
    /// The latest probe whose command was answered.
    answered: Cell<u64>,
    /// Of those that may be out: how much was said on this connection before them.
    ahead: RefCell<VecDeque<(u64, u64)>>,
    /// The probe that stays out although a canary from elsewhere came.
    passed: Cell<u64>,
    passing: Notify,
    /// The user may not use the canary's channel.
    plain: Cell<bool>,
}

impl Probes {
    pub(super) fn new(line: Rc<Line>, now: Instant) -> Self {
        Probes {
            line,
            alive: Cell::new(now),
            came: Cell::new(0),
            late: Cell::new(false),
            lag: Cell::new(Duration::ZERO),
            answered: Cell::new(0),
            ahead: RefCell::default(),
            passed: Cell::new(0),
            passing: Notify::new(),
            plain: Cell::new(false),
        }
    }

    /// Another one goes out, after so many bytes: its number.
    fn sent(&self, said: u64, now: Instant) -> u64 {
        let probes = &mut self.line.watch.borrow_mut().probes;
        let number = probes.sent(now);
        let mut ahead = self.ahead.borrow_mut();
        ahead.retain(|(out, _)| probes.is_out(*out));
        ahead.push_back((number, said));
        number
    }

    /// One has come back, and with it all before it.
    pub(super) fn heard(&self, payload: &[u8], now: Instant) {
        let in_doubt = payload.strip_prefix(MARK);
        let number: Option<u64> = std::str::from_utf8(in_doubt.unwrap_or(payload))
            .ok()
            .and_then(|text| text.parse().ok());
        let Some(number) = number else {
            return;
        };
        if in_doubt.is_some() {
            if self.line.watch.borrow().probes.oldest() == Some(number) {
                self.passed.set(number);
                self.passing.notify_waiters();
            }
            return;
        }
        let heard = self.line.watch.borrow_mut().probes.heard(number, now);
        if let Some(lag) = heard {
            self.lag.set(lag);
        }
    }

    /// The command of one was answered.
    fn replied(&self, number: u64, reply: &Reply, now: Instant) {
        if self.plain.get() {
            self.heard(number.to_string().as_bytes(), now);
        } else if reply
            .error()
            .is_some_and(|words| words.starts_with("NOPERM"))
        {
            self.plain.set(true);
            self.heard(number.to_string().as_bytes(), now);
        } else if reply.error().is_none() {
            self.answered.set(number);
        }
    }

    /// Something was read.
    pub(super) fn alive(&self, now: Instant) {
        self.alive.set(now);
    }

    /// For how long nothing was read.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.alive.get())
    }

    /// The oldest probe and how much was said before it, if it has been waited for this long
    /// and a canary would come back.
    pub(super) fn unanswered(&self, long: Duration, now: Instant) -> Option<(u64, u64)> {
        let probes = &self.line.watch.borrow().probes;
        let waits = probes.waiting(now).is_some_and(|age| age >= long);
        let oldest = probes.oldest().filter(|_| waits && !self.plain.get())?;
        let ahead = self.ahead.borrow();
        ahead.iter().find(|(number, _)| *number == oldest).copied()
    }

    /// Ready with the number of a probe once a canary from elsewhere has passed it. It is
    /// looked out for from this call on.
    pub(super) fn passed(&self) -> impl Future<Output = u64> + '_ {
        let passing = self.passing.notified();
        async move {
            passing.await;
            self.passed.get()
        }
    }

    /// The user may not use the canary's channel: `PING` stands in.
    pub(super) fn plain(&self) {
        self.plain.set(true);
    }

    /// An event has come.
    pub(super) fn came(&self) {
        self.came.set(self.came.get() + 1);
    }

    /// The thread has slept: nobody is to blame for this time.
    fn excused(&self, now: Instant) {
        self.alive.set(now);
        self.line.watch.borrow_mut().probes.excused(now);
    }

    /// What is to be said of the connection now, if it is news.
    fn news(&self, now: Instant) -> Option<Input> {
        let (waits, oldest) = {
            let probes = &self.line.watch.borrow().probes;
            (probes.waiting(now), probes.oldest())
        };
        if oldest.is_some_and(|oldest| oldest < self.answered.get()) {
            return Some(Input::Silent);
        }
        let waits = waits.unwrap_or_default();
        if waits >= SILENT && now.saturating_duration_since(self.alive.get()) >= SILENT {
            return Some(Input::Silent);
        }
        let late = waits.max(self.lag.get()) > LATE;
        if self.late.replace(late) == late {
            return None;
        }
        Some(if late { Input::Late } else { Input::Prompt })
    }
}

/// Probes for as long as the connection stands.
pub(super) async fn probe(
    conductor: Rc<Conductor>,
    session: Session,
    probes: Rc<Probes>,
    canary: String,
    tell: impl Fn(Input),
) {
    let mut last = Instant::now();
    let mut rhythm = Rhythm::default();
    loop {
        let now = Instant::now();
        if now.saturating_duration_since(last) > EVERY + STALLED {
            probes.excused(now);
        }
        last = now;
        if let Some(news) = probes.news(now) {
            tell(news);
        }
        let events = probes.came.get() + conductor.common.figures.sent.get();
        let beats = rhythm.beats(events, &probes.line.watch.borrow().probes, now);
        if beats {
            probes.line.probing.notify_one();
            send(&session, &probes, &canary, now);
        }
        sleep(EVERY).await;
    }
}

fn send(session: &Session, probes: &Rc<Probes>, canary: &str, now: Instant) {
    let number = probes.sent(session.said(), now);
    let text = number.to_string();
    let mut commands = Commands::default();
    match probes.plain.get() {
        false => commands.command(&[b"PUBLISH", canary.as_bytes(), text.as_bytes()]),
        true => commands.command(&[b"PING", text.as_bytes()]),
    };
    let replies = session.request(commands);
    let probes = Rc::clone(probes);
    tokio::task::spawn_local(async move {
        if let Ok([reply]) = replies.await.as_deref() {
            probes.replied(number, reply, Instant::now());
        }
    });
}

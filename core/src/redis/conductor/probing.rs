//! Whether the server still hears us, and we it: the canary.
//!
//! Every probe goes the whole way: published by this connection, pushed back on it. Where
//! the user may not use the canary's channel, `PING` stands in: it shows that the server
//! lives, not that it forwards.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::redis::{
    link::Input,
    socket::{Commands, Session},
};

/// From one probe to the next.
const EVERY: Duration = Duration::from_millis(250);

/// A probe that takes longer is late.
pub(super) const LATE: Duration = Duration::from_millis(900);

/// With nothing heard for so long, and a probe out, the connection is dead.
const SILENT: Duration = Duration::from_millis(2_500);

/// If this thread itself was not run for so long, what has come meanwhile is read before
/// anybody is blamed.
const STALLED: Duration = Duration::from_millis(600);

/// The probes of one connection.
pub(super) struct Probes {
    /// Those that are out, by number.
    out: RefCell<VecDeque<(u64, Instant)>>,
    next: Cell<u64>,
    /// When anything was read last.
    alive: Cell<Instant>,
    late: Cell<bool>,
    lag: Cell<Duration>,
}

impl Probes {
    pub(super) fn new(now: Instant) -> Self {
        Probes {
            out: RefCell::default(),
            next: Cell::new(0),
            alive: Cell::new(now),
            late: Cell::new(false),
            lag: Cell::new(Duration::ZERO),
        }
    }

    /// Another one goes out: what is published.
    fn sent(&self, now: Instant) -> String {
        let number = self.next.replace(self.next.get() + 1);
        let mut out = self.out.borrow_mut();
        out.push_back((number, now));
        number.to_string()
    }

    /// One has come back, and with it all before it.
    pub(super) fn heard(&self, payload: &[u8], now: Instant) {
        let number: Option<u64> = std::str::from_utf8(payload)
            .ok()
            .and_then(|text| text.parse().ok());
        let Some(number) = number else {
            return;
        };
        let mut out = self.out.borrow_mut();
        while let Some(&(first, sent)) = out.front()
            && first <= number
        {
            out.pop_front();
            self.lag.set(now.saturating_duration_since(sent));
        }
    }

    /// Something was read.
    pub(super) fn alive(&self, now: Instant) {
        self.alive.set(now);
    }

    /// The thread has slept: nobody is to blame for this time.
    fn excused(&self, now: Instant) {
        self.alive.set(now);
        for (_, sent) in self.out.borrow_mut().iter_mut() {
            *sent = now;
        }
    }

    /// What is to be said of the connection now, if it is news.
    fn news(&self, now: Instant) -> Option<Input> {
        let oldest = self.out.borrow().front().map(|&(_, sent)| sent);
        let waits = oldest.map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
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
    session: Session,
    probes: Rc<Probes>,
    canary: Option<String>,
    tell: impl Fn(Input),
) {
    let mut last = Instant::now();
    loop {
        let now = Instant::now();
        if now.saturating_duration_since(last) > EVERY + STALLED {
            probes.excused(now);
        }
        last = now;
        if let Some(news) = probes.news(now) {
            tell(news);
        }
        let number = probes.sent(now);
        let mut commands = Commands::default();
        match &canary {
            Some(channel) => commands.command(&[b"PUBLISH", channel.as_bytes(), number.as_bytes()]),
            None => commands.command(&[b"PING", number.as_bytes()]),
        };
        let replied = session.request(commands);
        if canary.is_none() {
            let probes = Rc::clone(&probes);
            tokio::task::spawn_local(async move {
                if replied.await.is_ok() {
                    probes.heard(number.as_bytes(), Instant::now());
                }
            });
        }
        sleep(EVERY).await;
    }
}

//! Looks at the servers, and how it all is, posted for whoever asks.
//!
//! Looks are a duty of each connection. One that is due goes out with the next probe: most
//! of what either costs the server is that it reads and answers at all. How it is is
//! put together on every event that may change it, and often enough for what changes by
//! time alone: a probe that does not come is late after 900 ms, whatever else happens.

use std::{
    cell::{Cell, Ref},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{Conductor, line::Line};
use crate::{
    backplane::{Condition, Reason},
    redis::{
        names::HUBS,
        plane::Common,
        socket::{Commands, Reply, Session},
        watch::{self, Look, Tallies, Watch, code},
    },
};

/// How often the whole is put together, if nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// What has to be remembered to say since when.
#[derive(Default)]
pub(super) struct Overview {
    gaps: Rise,
    faults: Rise,
    joining_since: Cell<Option<Instant>>,
}

/// When a count was last seen to have risen.
#[derive(Default)]
struct Rise {
    count: Cell<u64>,
    at: Cell<Option<Instant>>,
}

impl Rise {
    fn look(&self, count: u64, now: Instant) -> Option<Instant> {
        if self.count.replace(count) < count {
            self.at.set(Some(now));
        }
        self.at.get()
    }
}

impl Overview {
    /// So many names are waited for. Told of every change: where names come and go all the
    /// time, each look by itself would find some.
    pub(super) fn joining(&self, names: usize) {
        let since = self.joining_since.get().or_else(|| Some(Instant::now()));
        self.joining_since.set(since.filter(|_| names > 0));
    }

    fn tallies(&self, common: &Common, now: Instant) -> Tallies {
        let counts = common.figures.counts();
        let faults = common.figures.panics.get();
        Tallies {
            counts,
            late: common.figures.all_late(),
            queued_bytes: common.queue.bytes() as u64,
            joining: common.figures.joining.get(),
            joining_since: self.joining_since.get(),
            lost_at: self.gaps.look(counts.gaps, now),
            faults,
            fault_at: self.faults.look(faults, now),
        }
    }
}

impl Conductor {
    /// Puts together how it is now, and posts it.
    pub(super) fn assess(&self) {
        let now = Instant::now();
        // Whoever is changing them now is followed by the next tick.
        let (Ok(lines), Ok(inbox), Ok(outbox)) = (
            self.lines.try_borrow(),
            self.inbox.try_borrow(),
            self.outbox.try_borrow(),
        ) else {
            return;
        };
        for line in lines.values() {
            let late = line.watch.borrow_mut().probes.take_late();
            self.common.figures.late_probes.add(late);
        }
        // What becomes of a line that is left is of no importance any more.
        let kept = || lines.values().filter(|line| !line.leaving.get());
        let mut denied = Vec::new();
        for words in kept().flat_map(|line| line.denied.borrow().clone()) {
            if !denied.contains(&words) {
                denied.push(words);
            }
        }
        denied.extend(outbox.denied(now));
        let watches: Vec<Ref<'_, Watch>> = kept().map(|line| line.watch.borrow()).collect();
        let tallies = self.overview.tallies(&self.common, now);
        let mut said = self.reasons.borrow().clone();
        if !denied.is_empty() {
            said.push(Reason {
                code: code::DENIED,
                condition: Condition::Degraded,
                text: format!(
                    "the user may not do all that the backplane would: {}",
                    denied.join("; ")
                ),
            });
        }
        if let Some((condition, text)) = inbox.differing(now) {
            said.push(Reason {
                code: code::RULES_DIFFER,
                condition,
                text,
            });
        }
        let health = watch::health(watches.iter().map(|watch| &**watch), &tallies, said, now);
        drop(watches);
        drop(lines);
        drop(inbox);
        drop(outbox);
        self.contained(|| self.common.board.post(health));
    }

    /// Does so again and again.
    pub(super) async fn keep_assessing(self: Rc<Self>) {
        loop {
            self.assess();
            self.inlet.tidy();
            sleep(TICK).await;
        }
    }
}

/// Looks at a server for as long as the connection stands. One that is no master any more
/// breaks nothing by itself, and is to be left.
pub(super) async fn look(
    conductor: Rc<Conductor>,
    line: Rc<Line>,
    session: Session,
    demoted: impl Fn(),
) {
    loop {
        line.probing.notified().await;
        let now = Instant::now();
        let hubs = conductor.fleet();
        let look = line
            .watch
            .borrow_mut()
            .look(hubs.unwrap_or(1).into(), fastrand::f64(), now);
        let Some(look) = look else {
            continue;
        };
        let Ok(replies) = session.request(questions(look)).await else {
            return;
        };
        take(&conductor, &line, look, &replies, Instant::now());
        conductor.assess();
        let replication = replies.first().and_then(Reply::as_str).unwrap_or_default();
        if replication.lines().any(|line| line == "role:slave") {
            demoted();
        }
    }
}

/// Servers before 7 answer one section at a time.
fn questions(look: Look) -> Commands {
    let mut commands = Commands::default();
    for section in sections(look) {
        commands.command(&[b"INFO", section.as_bytes()]);
    }
    if let Look::Long { ages, .. } = look {
        commands.command(&[b"CLIENT", b"INFO"]);
        if ages {
            commands
                .command(&[b"CLIENT", b"LIST", b"TYPE", b"replica"])
                .command(&[b"PUBSUB", b"NUMSUB", HUBS.as_bytes()]);
        }
    }
    commands
}

/// What the first replies are about.
fn sections(look: Look) -> &'static [&'static str] {
    const ALL: [&str; 5] = ["replication", "stats", "memory", "errorstats", "server"];
    match look {
        Look::Short => &ALL[..1],
        Look::Long { server: false, .. } => &ALL[..4],
        Look::Long { server: true, .. } => &ALL,
    }
}

/// What a user may not ask is an error among the replies, and only not known.
fn take(conductor: &Conductor, line: &Line, look: Look, replies: &[Reply], now: Instant) {
    let infos = sections(look).len().min(replies.len());
    let (told, others) = replies.split_at(infos);
    let mut watch = line.watch.borrow_mut();
    if told.iter().any(|reply| reply.error().is_some()) {
        watch.denied();
    } else {
        watch.told(told.iter().filter_map(Reply::as_str), now);
    }
    if let Some(own) = others.first().and_then(Reply::as_str) {
        watch.own_connection(own);
    }
    if let Some(list) = others.get(1).and_then(Reply::as_str) {
        watch.ages(list, now);
    }
    if let Some(hubs) = others.get(2).and_then(listening) {
        conductor.hubs.set(Some(hubs));
    }
}

/// How many listen, of an answer about one channel.
pub(super) fn listening(reply: &Reply) -> Option<u32> {
    let count = match reply {
        Reply::Map(pairs) => pairs.first().and_then(|(_, count)| count.as_int()),
        Reply::List(parts) => parts.get(1).and_then(Reply::as_int),
        _ => None,
    };
    count.and_then(|count| u32::try_from(count).ok())
}

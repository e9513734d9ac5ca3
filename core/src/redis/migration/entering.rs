//! Entering stages: what is checked, and in which order things happen.
//!
//! A stage is asked for, not ordered. The other hubs are told what is about to happen, and
//! called upon, so that what is judged is how they are now and not how they were, and so
//! that none of them does the opposite at the same time; the server is asked how many
//! listen, so that those who do not know of the migration count too. Then the change is
//! made, and told.

use std::{
    fmt,
    sync::{Weak, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    counts::Sides,
    error::MigrationError,
    moved::Moved,
    moving::{Plane, Shared},
    roll::{self, Peer, Standing},
    stage::{Change, Side, Stage},
};
use crate::{
    backplane::{Backplane, Condition, Joining, Name},
    sync::StdArc,
    topic::Topic,
};

/// How long called hubs may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// A server that was connected to just now is known by then.
const KNOWN: Duration = Duration::from_secs(2);

/// How often things are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// The migration of one topic, as this hub takes part in it; from
/// [`Moving::begin`](super::Moving::begin). Cheap to clone; dropping it ends nothing.
#[derive(Clone)]
pub struct Migration {
    shared: Weak<Shared>,
    moved: StdArc<Moved>,
}

impl Migration {
    pub(super) fn new(shared: Weak<Shared>, moved: StdArc<Moved>) -> Self {
        Migration { shared, moved }
    }

    /// The topic, by the name that it has in this hub at every stage.
    pub fn topic(&self) -> &Topic {
        &self.moved.topic
    }

    /// How far it has come in this hub.
    pub fn stage(&self) -> Stage {
        self.moved.stage()
    }

    /// What each side has carried.
    pub fn counts(&self) -> Sides {
        self.moved.counters.sides()
    }

    /// The other hubs that take part, as far as they are known by now.
    pub fn peers(&self) -> Vec<Peer> {
        self.moved.roll.lock().present(Instant::now())
    }

    /// Enters a stage next to the one that it is at, forward or back, once nobody would
    /// lose anything by it; the stage where it is already is entered at once, so that a deploy
    /// can run again. Blocks until that is done, or found to be impossible, at most
    /// until the deadline: in a task, call it on a thread for blocking calls.
    ///
    /// # Errors
    /// [`MigrationError`] says who or what is in the way; nothing has changed then.
    pub fn enter(&self, stage: Stage, deadline: Instant) -> Result<(), MigrationError> {
        self.go(stage, deadline, true)
    }

    /// The same without looking at who would lose something. The side that is to be heard
    /// is still waited for.
    ///
    /// # Errors
    /// When the stages are no neighbours, the side cannot be reached, or the hub is closed.
    pub fn force(&self, stage: Stage, deadline: Instant) -> Result<(), MigrationError> {
        self.go(stage, deadline, false)
    }

    /// Whether [`enter`](Migration::enter) would enter a stage now.
    ///
    /// # Errors
    /// What would be in the way.
    pub fn check(&self, stage: Stage, deadline: Instant) -> Result<(), MigrationError> {
        match self.change_to(stage)? {
            Some((shared, change)) => self.look(&shared, change, None, deadline),
            None => Ok(()),
        }
    }

    /// What has to change for a stage; nothing if that is where it is.
    fn change_to(&self, stage: Stage) -> Result<Option<(StdArc<Shared>, Change)>, MigrationError> {
        let shared = self.shared.upgrade().filter(|shared| !shared.is_closed());
        let shared = shared.ok_or(MigrationError::Closed)?;
        let from = self.stage();
        if from == stage {
            return Ok(None);
        }
        let change =
            Change::between(from, stage).ok_or(MigrationError::NotNext { from, to: stage })?;
        Ok(Some((shared, change)))
    }

    fn go(&self, stage: Stage, deadline: Instant, checked: bool) -> Result<(), MigrationError> {
        let moved = &self.moved;
        let Some(_entering) = moved.entering.try_lock() else {
            return Err(MigrationError::Busy);
        };
        let from = self.stage();
        let Some((shared, change)) = self.change_to(stage)? else {
            return Ok(());
        };
        if checked && let Err(error) = self.look(&shared, change, Some(stage), deadline) {
            moved.roll.lock().intend(None);
            shared.announce(moved);
            return Err(error);
        }
        moved.set(stage);
        shared.wants_changed(moved);
        if let Change::Hear(side) = change
            && let Err(error) = joined(&shared, moved, side, deadline)
        {
            moved.set(from);
            shared.wants_changed(moved);
            return Err(error);
        }
        moved.roll.lock().reached(stage);
        shared.announce(moved);
        Ok(())
    }

    /// Whether anybody would lose anything by a change. `entering`: the stage that is
    /// entered if not.
    fn look(
        &self,
        shared: &StdArc<Shared>,
        change: Change,
        entering: Option<Stage>,
        deadline: Instant,
    ) -> Result<(), MigrationError> {
        let moved = &self.moved;
        let left = match change {
            // Who hears more loses nothing.
            Change::Hear(_) => return Ok(()),
            Change::Write(side) => side.other(),
            Change::Drop(side) => side,
        };
        if let Change::Write(side) = change {
            self.judge(shared, side, deadline)?;
        }
        let peers = self.call(shared, change, entering, deadline)?;
        if let Change::Write(_) = change {
            let listeners = listeners(shared, moved, left, deadline)?;
            let hears = shared.hears_on(moved);
            let connections = roll::strangers(listeners, left, hears, &peers);
            if connections > 0 {
                return Err(MigrationError::Strangers {
                    connections,
                    side: left,
                });
            }
        } else if let Some(last) = moved.counters.last(left)
            && last.at.elapsed() < moved.quiet
        {
            return Err(MigrationError::StillWritten {
                side: left,
                ago: last.at.elapsed(),
                by: last.by,
            });
        }
        Ok(())
    }

    /// Whether a side is well enough to be written to.
    fn judge(
        &self,
        shared: &StdArc<Shared>,
        side: Side,
        deadline: Instant,
    ) -> Result<(), MigrationError> {
        let server = shared
            .server(&self.moved, side)
            .ok_or(MigrationError::Closed)?;
        let end = deadline.min(Instant::now() + KNOWN);
        loop {
            let verdict = self.moved.demands.judge(&server.redis.health());
            if verdict.safe {
                return Ok(());
            }
            if Instant::now() >= end {
                let failed = verdict.findings.into_iter().filter(|finding| !finding.met);
                return Err(MigrationError::Unhealthy(failed.collect()));
            }
            thread::sleep(LOOK);
        }
    }

    /// Asks all hubs that take part where they are, waits for their answers and for those
    /// who give way: the hubs that take part, if none of them bars the change.
    fn call(
        &self,
        shared: &StdArc<Shared>,
        change: Change,
        entering: Option<Stage>,
        deadline: Instant,
    ) -> Result<Vec<Peer>, MigrationError> {
        let moved = &self.moved;
        let first = shared.first().ok_or(MigrationError::Closed)?;
        // Everybody who takes part listens to the channel. So do we: once that is so.
        let patience = deadline.min(Instant::now() + ANSWER);
        heard(shared, &first, &moved.channel, Side::Old, patience)?;
        moved.roll.lock().intend(entering);
        let call = shared.call(moved);
        let end = deadline.min(Instant::now() + ANSWER);
        let taking_part = count(&first, moved.channel.as_str(), deadline)?;
        let others = taking_part.saturating_sub(1);
        loop {
            let now = Instant::now();
            let (answered, standing) = {
                let mut roll = moved.roll.lock();
                (roll.answered(call) as u64, roll.standing(change, now))
            };
            match standing {
                _ if answered < others => {
                    if now >= end {
                        return Err(MigrationError::Silent {
                            hubs: others - answered,
                        });
                    }
                }
                Standing::Free => return Ok(self.peers()),
                Standing::Barred(peers) => return Err(barred(change, peers)),
                Standing::Waits(peers) if now >= end => return Err(barred(change, peers)),
                Standing::Waits(_) => {}
            }
            thread::sleep(LOOK);
        }
    }
}

fn barred(change: Change, peers: Vec<Peer>) -> MigrationError {
    match change {
        Change::Write(_) => MigrationError::Readers(peers),
        _ => MigrationError::Writers(peers),
    }
}

/// How many listen on a side, hubs and others.
fn listeners(
    shared: &Shared,
    moved: &Moved,
    side: Side,
    deadline: Instant,
) -> Result<u64, MigrationError> {
    let server = shared.server(moved, side).ok_or(MigrationError::Closed)?;
    count(&server, moved.ends[side.index()].1.as_str(), deadline)
}

/// How many listen to a channel, by a server that may be away for a moment.
fn count(server: &Plane, channel: &str, deadline: Instant) -> Result<u64, MigrationError> {
    let end = deadline.min(Instant::now() + ANSWER);
    loop {
        match asked(server, deadline, |told| {
            server.redis.listeners(channel, told)
        }) {
            Err(MigrationError::NotReached { .. }) if Instant::now() < end => thread::sleep(LOOK),
            counted => return counted,
        }
    }
}

/// Waits for an answer of a server.
fn asked(
    server: &Plane,
    deadline: Instant,
    ask: impl FnOnce(Box<dyn FnOnce(Option<u64>) + Send>),
) -> Result<u64, MigrationError> {
    let (told, answer) = mpsc::sync_channel(1);
    ask(Box::new(move |count| {
        // Nobody waits any more after the deadline.
        let _ = told.send(count);
    }));
    let left = deadline.saturating_duration_since(Instant::now());
    match answer.recv_timeout(left) {
        Ok(Some(count)) => Ok(count),
        _ => Err(not_reached(server)),
    }
}

fn not_reached(server: &Plane) -> MigrationError {
    MigrationError::NotReached {
        server: server.redis.address(),
    }
}

/// Waits until all is heard that is wanted on a side, the topic among it.
fn joined(
    shared: &Shared,
    moved: &Moved,
    side: Side,
    deadline: Instant,
) -> Result<(), MigrationError> {
    let server = shared.server(moved, side).ok_or(MigrationError::Closed)?;
    // A server that nothing is wanted of has brought all of it, even if it is away.
    while server.redis.health().condition == Condition::Away {
        if shared.is_closed() {
            return Err(MigrationError::Closed);
        }
        if Instant::now() >= deadline {
            return Err(not_reached(&server));
        }
        thread::sleep(LOOK);
    }
    heard(shared, &server, &moved.ends[side.index()].1, side, deadline)
}

/// Waits until all is heard that is wanted of a server, this name among it.
fn heard(
    shared: &Shared,
    server: &Plane,
    name: &Topic,
    side: Side,
    deadline: Instant,
) -> Result<(), MigrationError> {
    let topic = name.clone();
    // Gone once the deadline is over.
    let here = StdArc::new(());
    let asker: Weak<()> = StdArc::downgrade(&here);
    let refusals = asked(server, deadline, move |told| {
        let brings = move |refused: &Name| match refused {
            Name::Topic(refused) => *refused == topic,
            Name::Pattern(refused) => refused.matches(topic.as_str()),
        };
        let count = move |refused: Vec<Name>| {
            let refusals = refused.iter().filter(|name| brings(name));
            told(Some(refusals.count() as u64));
        };
        server.redis.when_joined(Joining::new(asker, count));
    });
    match refusals {
        Err(_) if shared.is_closed() => Err(MigrationError::Closed),
        Err(error) => Err(error),
        Ok(0) => Ok(()),
        Ok(_) => Err(MigrationError::NotHeard {
            name: name.as_str().to_owned(),
            side,
        }),
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migration")
            .field("topic", &self.topic())
            .field("stage", &self.stage())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

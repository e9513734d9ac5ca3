//! The lines of the input, and who answers them.
//!
//! Nothing here makes the next line wait: what takes time is waited for on a thread of
//! its own, and answered from there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Bytes, Hub, Publication, PublishError,
    backplane::{Condition, Health, Receipt},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Failure,
    flood::Flood,
    listening::Listening,
    moves::{Move, Moves},
    own::Own,
    printer::Printer,
    settings::Settings,
};

/// How long a subscription may take to be in force.
const JOINING: Duration = Duration::from_secs(120);
/// How long the state may stay as it is before somebody asks whether the hub is closed.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Command {
    Subscribe(Channels),
    Unsubscribe(Channels),
    Publish { channel: String, payload: Value },
    Flood(Flood),
    Stats {},
    Health {},
    Migrate(Move),
    Stall { ms: u64 },
}

/// A list, or a prefix and numbers.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`channels` (a list of names) or `prefix`, `from` and `count` are missing or malformed"
)]
enum Channels {
    Listed {
        channels: Vec<String>,
    },
    Numbered {
        prefix: String,
        #[serde(default)]
        from: u64,
        count: u64,
    },
}

impl Channels {
    fn names(&self) -> Box<dyn Iterator<Item = String> + '_> {
        match self {
            Channels::Listed { channels } => Box::new(channels.iter().cloned()),
            Channels::Numbered {
                prefix,
                from,
                count,
            } => {
                Box::new((*from..from.saturating_add(*count)).map(move |n| format!("{prefix}{n}")))
            }
        }
    }
}

/// Publishes for whoever asks, on any thread.
pub(crate) struct Publisher {
    hub: Hub,
    own: Option<Arc<Own>>,
    deadline: Duration,
}

impl Publisher {
    pub(crate) fn publish(&self, event: Publication<&str>) -> Result<Receipt, PublishError> {
        let Some(own) = &self.own else {
            return self.hub.publish_acknowledged(event);
        };
        let payload = event.payload().clone();
        own.publishing(&payload);
        let receipt = self.hub.publish_acknowledged(event);
        let heard = receipt
            .as_ref()
            .is_ok_and(|receipt| receipt.delivery().subscriptions > 0);
        if !heard {
            own.is_heard(&payload);
        }
        receipt
    }

    /// How long an event may wait to be sent.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }
}

/// What the lines are done with.
pub(crate) struct Desk {
    hub: Hub,
    publisher: Arc<Publisher>,
    moves: Moves,
    listening: Listening,
    printer: Printer,
    outcomes: Sender<(Value, Receipt)>,
    /// What is under way: on threads of its own, and publishes without an outcome.
    busy: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Desk {
    pub(crate) fn open(settings: Settings, printer: Printer) -> Result<Self, Failure> {
        let (hub, moving) = settings.hub()?;
        let own = (!settings.echo).then(Arc::<Own>::default);
        let listening = Listening::new(&hub, settings.capacity(), printer.clone(), own.clone())?;
        let publisher = Arc::new(Publisher {
            hub: hub.clone(),
            own,
            deadline: settings.deadline(),
        });
        let (outcomes, settled) = mpsc::channel();
        let desk = Desk {
            hub,
            publisher,
            moves: Moves::new(moving),
            listening,
            printer,
            outcomes,
            busy: Arc::default(),
            stopped: Arc::default(),
        };
        desk.tell_outcomes(settled);
        desk.tell_health();
        Ok(desk)
    }

    /// One line.
    pub(crate) fn take(&self, line: &[u8]) {
        let value: Value = match serde_json::from_slice(line) {
            Ok(value) => value,
            Err(error) => return self.printer.failed(&Value::Null, error),
        };
        let id = value.get("id").cloned().unwrap_or(Value::Null);
        match Command::deserialize(value) {
            Ok(command) => self.obey(id, command),
            Err(error) => self.printer.failed(&id, error),
        }
    }

    fn obey(&self, id: Value, command: Command) {
        match command {
            Command::Subscribe(channels) => self.subscribe(id, &channels),
            Command::Unsubscribe(channels) => {
                let parted = channels.names().filter(|name| self.listening.part(name));
                let count = parted.count();
                self.printer.done(&id, json!({ "channels": count }));
            }
            Command::Publish { channel, payload } => self.publish(id, &channel, payload),
            Command::Flood(flood) => match flood.check() {
                Err(error) => self.printer.failed(&id, error),
                Ok(()) => {
                    let publisher = Arc::clone(&self.publisher);
                    let stopped = Arc::clone(&self.stopped);
                    self.apart(id, move || Ok(flood.run(&publisher, &stopped)));
                }
            },
            Command::Stats {} => self.printer.done(&id, self.stats()),
            Command::Health {} => self.printer.done(&id, told(&self.hub.health())),
            Command::Migrate(wish) => {
                let moves = self.moves.clone();
                self.apart(id, move || {
                    moves.enter(&wish).map_err(|error| error.to_string())
                });
            }
            Command::Stall { ms } => {
                self.listening.stall(Duration::from_millis(ms));
                self.printer.done(&id, json!({}));
            }
        }
    }

    fn subscribe(&self, id: Value, channels: &Channels) {
        let mut count = 0_u64;
        for name in channels.names() {
            if let Err(error) = self.listening.join(&name) {
                return self.printer.failed(&id, format!("{name:?}: {error}"));
            }
            count += 1;
        }
        let (joined, stopped) = (self.hub.joined(), Arc::clone(&self.stopped));
        self.apart(id, move || {
            joined.wait(Instant::now() + JOINING);
            match joined.outcome() {
                Some(Ok(())) => Ok(json!({ "channels": count })),
                _ if stopped.load(Ordering::Relaxed) => Err("the input ended before".into()),
                Some(Err(error)) => Err(error.to_string()),
                None => Err(format!("not in force after {JOINING:?}")),
            }
        });
    }

    fn publish(&self, id: Value, channel: &str, payload: Value) {
        let payload = match payload {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let event = Publication::new(channel, Bytes::from(payload));
        match self.publisher.publish(event) {
            Err(error) => self.printer.failed(&id, error),
            // The other end lives as long as the process.
            Ok(receipt) => {
                self.busy.fetch_add(1, Ordering::SeqCst);
                drop(self.outcomes.send((id, receipt)));
            }
        }
    }

    /// Does it on a thread of its own, and answers with what it comes to.
    fn apart(&self, id: Value, work: impl FnOnce() -> Result<Value, String> + Send + 'static) {
        let printer = self.printer.clone();
        let busy = Arc::clone(&self.busy);
        busy.fetch_add(1, Ordering::SeqCst);
        let name = id.clone();
        let started = thread::Builder::new().spawn(move || {
            match work() {
                Ok(fields) => printer.done(&id, fields),
                Err(error) => printer.failed(&id, error),
            }
            busy.fetch_sub(1, Ordering::SeqCst);
        });
        if let Err(error) = started {
            self.busy.fetch_sub(1, Ordering::SeqCst);
            self.printer.failed(&name, error);
        }
    }

    /// Answers publishes, in their order.
    fn tell_outcomes(&self, settled: Receiver<(Value, Receipt)>) {
        let printer = self.printer.clone();
        let patience = self.publisher.deadline() + JOINING;
        let busy = Arc::clone(&self.busy);
        thread::spawn(move || {
            for (id, receipt) in settled {
                match receipt.wait(Instant::now() + patience) {
                    Some(Ok(acknowledged)) => printer.done(
                        &id,
                        json!({"heard": acknowledged.heard, "number": acknowledged.number}),
                    ),
                    Some(Err(error)) => printer.failed(&id, error),
                    None => printer.failed(&id, "no outcome in time"),
                }
                busy.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }

    /// Says when the state changes, for as long as the process lives.
    fn tell_health(&self) {
        let (mut changes, printer) = (self.hub.health_changes(), self.printer.clone());
        let hub = self.hub.clone();
        // The state of now is no change, and everybody begins without a connection; who has
        // none a moment later has found nobody.
        let first = changes.wait(Instant::now());
        let is_well = first.is_none_or(|health| health.condition == Condition::Ok);
        let mut untold = !is_well;
        thread::spawn(move || {
            while !hub.is_closed() {
                let mut health = changes.wait(Instant::now() + LOOK);
                if health.is_none() && untold {
                    health = Some(hub.health());
                }
                if let Some(health) = health {
                    untold = false;
                    let mut line = told(&health);
                    line["ev"] = json!("health");
                    printer.json(&line);
                }
            }
        });
    }

    fn stats(&self) -> Value {
        let mut stats = told(&self.hub.health());
        let (heard, missed) = self.listening.counts();
        stats["channels"] = json!(self.listening.channels());
        stats["heard"] = json!(heard);
        stats["missed"] = json!(missed);
        stats
    }

    /// Ends everything: what is under way has so long. What is not done by then learns
    /// that the hub is closed, and answers with that.
    pub(crate) fn close(self, most: Duration) {
        self.stopped.store(true, Ordering::Relaxed);
        self.listening.resume();
        self.settle(most);
        self.hub.close().wait(Instant::now() + most);
        self.settle(most);
    }

    /// Waits until nothing is under way, at most so long.
    fn settle(&self, most: Duration) {
        let deadline = Instant::now() + most;
        while self.busy.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A state as it is printed. `degraded` is all that is not well; `condition` says how much.
fn told(health: &Health) -> Value {
    let state = match health.condition {
        Condition::Ok => "ok",
        _ => "degraded",
    };
    let reasons: Vec<Value> = health
        .reasons
        .iter()
        .map(|reason| json!({"code": reason.code, "text": reason.text}))
        .collect();
    let codes: Vec<&str> = health.reasons.iter().map(|reason| reason.code).collect();
    let (counts, lag) = (&health.counts, &health.lag);
    json!({
        "state": state,
        "condition": health.condition.as_str(),
        "reason": codes.join(","),
        "reasons": reasons,
        "lag_ms": {
            "p50": lag.p50.as_secs_f64() * 1e3,
            "p99": lag.p99.as_secs_f64() * 1e3,
            "max": lag.max.as_secs_f64() * 1e3,
            "late": lag.late,
        },
        "arrived": counts.arrived,
        "sent": counts.sent,
        "failed": counts.failed,
        "voided": counts.voided,
        "gaps": counts.gaps,
        "lost": counts.lost,
        "repaired": counts.repaired,
        "duplicates": counts.duplicates,
        "unreadable": counts.unreadable,
        "attempts": counts.attempts,
        "connections": counts.connections,
        "queued_bytes": health.queued_bytes,
        "joining": health.joining,
    })
}

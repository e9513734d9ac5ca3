//! The sentinels, asked and listened to for as long as the hub lives.
//!
//! One connection to each that is known, kept: when a master fails, nobody has to be
//! dialled first, and the sentinels are not met by a fleet of newcomers. What they say
//! goes to the [`Council`]; its verdicts go to the conductor. While none can be reached,
//! nothing changes: the connection to the master stays.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Conductor, attempts::Attempt, greeting, visit::Visit};
use crate::{
    backplane::Condition,
    redis::{
        arrival::Stamp,
        socket::{Commands, Kind, Listener, Push, Reply, Session, dial},
        target::Server,
        topology::{Council, EVENTS, Verdict, colleagues, master, switched},
        watch::code,
    },
};

/// From one question to the next, when nothing happens.
const EVERY: Duration = Duration::from_secs(1);

/// The same, for as long as [`ALERT`] after an event: the sentinels are about to agree.
const SOON: Duration = Duration::from_millis(100);

const ALERT: Duration = Duration::from_secs(3);

/// So many questions until it is asked for the other sentinels again.
const ROUNDS: u32 = 15;

/// Who takes longer to answer does not count until it has.
const ANSWER: Duration = Duration::from_millis(500);

/// How long connecting and greeting may take, and an answer until the connection is given
/// up.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the wait after a failure is drawn from at first, and at last.
const AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// What the tasks have in common.
struct Chamber {
    conductor: Rc<Conductor>,
    /// What the sentinels call the master.
    name: String,
    council: RefCell<Council>,
    /// Something was said.
    heard: Notify,
    /// Why a sentinel could not be asked, the last time that it was so.
    why: RefCell<String>,
}

/// Follows the master of this name until it is dropped.
pub(super) async fn follow(conductor: Rc<Conductor>, name: String) {
    let seeds = conductor.common.settings.target.servers.clone();
    let chamber = Rc::new(Chamber {
        conductor,
        name,
        council: RefCell::new(Council::new(seeds)),
        heard: Notify::new(),
        why: RefCell::default(),
    });
    let mut attended = BTreeMap::new();
    loop {
        let members: Vec<Server> = chamber.council.borrow().members().cloned().collect();
        attended.retain(|at, _| members.contains(at));
        for at in members {
            attended.entry(at.clone()).or_insert_with(|| {
                let chamber = Rc::clone(&chamber);
                let conductor = Rc::clone(&chamber.conductor);
                conductor.stand(move |_| attend(Rc::clone(&chamber), at.clone()))
            });
        }
        chamber.conclude();
        chamber.heard.notified().await;
    }
}

impl Chamber {
    fn change(&self, change: impl FnOnce(&mut Council)) {
        change(&mut self.council.borrow_mut());
        self.heard.notify_one();
    }

    /// Brings the verdict to the conductor.
    fn conclude(&self) {
        let verdict = self.council.borrow().verdict();
        let conductor = &self.conductor;
        let trouble = match verdict {
            Verdict::Master(at) => {
                conductor.master(at);
                None
            }
            Verdict::Pending => return,
            Verdict::Silence => Some((
                code::SENTINELS_SILENT,
                format!(
                    "no sentinel can be asked, so a failover would not be noticed: {}",
                    self.why.borrow()
                ),
            )),
            Verdict::Unknown => Some((
                code::MASTER_UNKNOWN,
                format!(
                    "the sentinels know no master {:?}: check its name",
                    self.name
                ),
            )),
            Verdict::Split => Some((
                code::SENTINELS_SPLIT,
                format!(
                    "the sentinels do not agree who the master {:?} is",
                    self.name
                ),
            )),
        };
        for code in [
            code::SENTINELS_SILENT,
            code::MASTER_UNKNOWN,
            code::SENTINELS_SPLIT,
        ] {
            match &trouble {
                Some((same, text)) if *same == code => {
                    conductor.say(code, Condition::Degraded, text.clone());
                }
                _ => conductor.unsay(code),
            }
        }
    }
}

/// One sentinel: one connection after another.
async fn attend(chamber: Rc<Chamber>, at: Server) {
    let mut wait = AGAIN[0];
    // Nobody waits for the first: a budget that others have used up keeps no hub from its
    // master.
    let mut attempt = None;
    loop {
        let answered = Cell::new(false);
        if let Err(why) = converse(&chamber, &at, attempt.take(), &answered).await {
            *chamber.why.borrow_mut() = format!("{at}: {why}");
        }
        chamber.change(|council| council.silent(&at));
        if answered.get() {
            wait = AGAIN[0].max(chamber.conductor.spread());
        }
        sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        wait = (wait * 2).min(AGAIN[1].max(chamber.conductor.spread()));
        attempt = Some(chamber.conductor.may_attempt().await);
    }
}

/// Asks a sentinel, again and again, until it cannot be asked any more.
async fn converse(
    chamber: &Chamber,
    at: &Server,
    attempt: Option<Attempt>,
    answered: &Cell<bool>,
) -> Result<(), String> {
    let settings = &chamber.conductor.common.settings;
    let stream = dial(at, settings.tls.as_ref(), PATIENCE).await?;
    let whispers = Rc::new(Whispers::default());
    let listener = Listening {
        whispers: Rc::clone(&whispers),
        name: chamber.name.clone(),
    };
    let visit = Visit(Session::start(stream, listener));
    let session = &visit.0;
    let id = timeout(PATIENCE, introduce(chamber, at, session))
        .await
        .map_err(|_| "the sentinel's greeting took too long".to_owned())??;
    if let Some(attempt) = attempt {
        attempt.succeeded();
    }

    let mut alert: Option<Instant> = None;
    for round in 0_u32.. {
        let whispered = whispers.heard.notified();
        if let Some(new) = whispers.master.take() {
            // Said of its own accord, and not older than what it would answer.
            chamber.change(|council| council.said(at, &id, Some(new)));
        }
        let found = ask(chamber, at, session, round % ROUNDS == 0).await?;
        chamber.change(|council| council.said(at, &id, found));
        answered.set(true);
        let pause = match alert {
            Some(until) if Instant::now() < until => SOON,
            _ => EVERY.mul_f64(0.75 + fastrand::f64() / 2.0),
        };
        tokio::select! {
            () = whispered => alert = Some(Instant::now() + ALERT),
            () = sleep(pause) => {}
            broken = session.closed() => return Err(broken.0),
        }
    }
    Ok(())
}

/// Who we are, who it is, whom it knows, and that we listen. Its id.
async fn introduce(chamber: &Chamber, at: &Server, session: &Session) -> Result<String, String> {
    let conductor = &chamber.conductor;
    let target = &conductor.common.settings.target;
    let name = conductor.client_name();
    let own = target.sentinel_credentials.as_ref();
    let credentials = own.or(target.credentials.as_ref());
    let mut greeted = greeting::hello(session, credentials, &name).await;
    if greeted.is_err() && own.is_none() && credentials.is_some() {
        // Those of the URL may be for the servers alone.
        greeted = greeting::hello(session, None, &name).await;
    }
    greeted.map_err(|unfit| unfit.to_string())?;
    let mut commands = Commands::default();
    commands.command(&[b"SENTINEL", b"MYID"]).listen(
        Kind::Channel,
        true,
        &EVENTS.map(str::as_bytes),
    );
    let replies = session.request(commands).await.map_err(|broken| broken.0)?;
    let id = replies.first().and_then(Reply::as_str);
    // One that may not tell its id is known by its address.
    Ok(id.map_or_else(|| at.to_string(), str::to_owned))
}

/// The master, and now and then the other sentinels.
async fn ask(
    chamber: &Chamber,
    at: &Server,
    session: &Session,
    others: bool,
) -> Result<Option<Server>, String> {
    let name = chamber.name.as_bytes();
    let mut commands = Commands::default();
    commands.command(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name]);
    if others {
        commands.command(&[b"SENTINEL", b"SENTINELS", name]);
    }
    let mut answer = Box::pin(session.request(commands));
    let replies = match timeout(ANSWER, &mut answer).await {
        Ok(replies) => replies,
        Err(_) => {
            chamber.change(|council| council.silent(at));
            let late = timeout(PATIENCE, answer).await;
            late.map_err(|_| "the sentinel does not answer".to_owned())?
        }
    };
    let replies = replies.map_err(|broken| broken.0)?;
    if let Some(reply) = replies.get(1) {
        chamber.change(|council| council.introduced(at, colleagues(reply)));
    }
    let [found, ..] = &replies[..] else {
        return Err("the sentinel's answer is incomplete".to_owned());
    };
    master(found)
}

/// What a sentinel said of its own accord, and was not acted on yet.
#[derive(Default)]
struct Whispers {
    master: RefCell<Option<Server>>,
    heard: Notify,
}

struct Listening {
    whispers: Rc<Whispers>,
    name: String,
}

impl Listener for Listening {
    fn push(&mut self, push: Push<'_>, _now: Stamp) {
        let Push::Message { channel, payload } = push else {
            return;
        };
        if channel == EVENTS[0].as_bytes()
            && let Some(new) = switched(payload, &self.name)
        {
            *self.whispers.master.borrow_mut() = Some(new);
        }
        self.whispers.heard.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        runtime::Builder,
        task::LocalSet,
    };

    use super::*;
    use crate::{
        Hub,
        backplane::Inlet,
        redis::{Redis, link::Budget},
        sync::Mutex,
    };

    /// Reads until this has come.
    async fn asked(stream: &mut TcpStream, heard: &mut Vec<u8>, question: &str) {
        while !heard
            .windows(question.len())
            .any(|part| part == question.as_bytes())
        {
            assert!(stream.read_buf(heard).await.unwrap() > 0, "{question}");
        }
        heard.clear();
    }

    /// A sentinel that knows no master, asked once.
    async fn answer(stream: &mut TcpStream) {
        let mut heard = Vec::new();
        asked(stream, &mut heard, "SETNAME").await;
        stream.write_all(b"%0\r\n").await.unwrap();
        asked(stream, &mut heard, EVENTS[4]).await;
        let mut text = "$1\r\na\r\n".to_owned();
        for event in EVENTS {
            let length = event.len();
            text += &format!(">3\r\n$9\r\nsubscribe\r\n${length}\r\n{event}\r\n:1\r\n");
        }
        stream.write_all(text.as_bytes()).await.unwrap();
        asked(stream, &mut heard, "GET-MASTER-ADDR-BY-NAME").await;
        stream.write_all(b"_\r\n*0\r\n").await.unwrap();
    }

    #[test]
    fn a_sentinel_that_is_reached_takes_nothing_from_the_budget() {
        const TIMES: usize = 12;
        let budget: &Mutex<Budget> = Box::leak(Box::new(Mutex::new(Budget::new())));
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("redis://{}", listener.local_addr().unwrap());
            let redis = Redis::sentinel([url], "main").unwrap().build().unwrap();
            let common = redis.common();
            let at = common.settings.target.servers[0].clone();
            let hub = Hub::new();
            let mut conductor = Conductor::new(common, Inlet::new(hub.core()));
            Rc::get_mut(&mut conductor).unwrap().budget = budget;
            let chamber = Rc::new(Chamber {
                conductor,
                name: "main".into(),
                council: RefCell::new(Council::new([at.clone()])),
                heard: Notify::new(),
                why: RefCell::default(),
            });
            let sentinel = async {
                // All but the last are ended as soon as they have had an answer.
                for _ in 1..TIMES {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    answer(&mut stream).await;
                }
                let (mut stream, _) = listener.accept().await.unwrap();
                let reached = Instant::now();
                answer(&mut stream).await;
                reached
            };
            let reached = tokio::select! {
                reached = timeout(Duration::from_secs(60), sentinel) => reached.unwrap(),
                () = attend(chamber, at) => unreachable!("it goes on for ever"),
            };
            for taken in 0..Budget::AT_ONCE {
                let left = budget.lock().take(reached);
                assert_eq!(left, Ok(()), "after {taken}");
            }
        });
    }
}

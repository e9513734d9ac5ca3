//! The slot map of a cluster, kept as new as it has to be.
//!
//! Whoever is connected already is asked, at random; only while nobody is, a node is
//! dialled for the question alone: those that are known, then those of the URLs, in turn.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, sleep_until, timeout};

use super::Conductor;
use crate::{
    backplane::Condition,
    redis::{
        socket::{Commands, Session},
        target::Server,
        topology::{Refresh, SlotMap},
        watch::code,
    },
};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(1);

/// Keeps the map until it is dropped.
pub(super) async fn follow(conductor: Rc<Conductor>) {
    let mut refresh = Refresh::new(Instant::now(), fastrand::u64(..));
    let mut turn = fastrand::usize(..1 << 16);
    loop {
        tokio::select! {
            () = sleep_until(refresh.due().into()) => {}
            () = conductor.doubted.notified() => {
                refresh.doubt(Instant::now());
                continue;
            }
        }
        refresh.asking(Instant::now());
        turn = turn.wrapping_add(1);
        let told = tell(&conductor, turn).await;
        let settled = match told {
            Ok(told) => {
                match told.reason() {
                    Some(text) => conductor.say(code::CLUSTER, Condition::Degraded, text),
                    None => conductor.unsay(code::CLUSTER),
                }
                // Who finds the cluster down is believed only by who knows nothing yet: it
                // may be cut off from the others.
                if told.is_down && conductor.is_mapped() {
                    conductor.try_another_ear();
                    false
                } else {
                    conductor.slots(told.map)
                }
            }
            Err(why) => {
                conductor.say(code::CLUSTER, Condition::Degraded, why);
                false
            }
        };
        refresh.answered(settled, Instant::now());
    }
}

/// Asks somebody.
async fn tell(conductor: &Rc<Conductor>, turn: usize) -> Result<Told, String> {
    let reached = conductor.reached();
    if !reached.is_empty() {
        let (at, session) = &reached[turn % reached.len()];
        return timeout(ANSWER, ask(session, at))
            .await
            .map_err(|_| format!("{at} does not say who owns which slot"))?;
    }
    let candidates = conductor.candidates();
    let Some(at) = candidates.get(turn % candidates.len().max(1)) else {
        return Err("no node of the cluster is known".to_owned());
    };
    if conductor.is_mapped() {
        // A fleet that has lost a node does not fall upon the others.
        sleep(conductor.spread().mul_f64(fastrand::f64())).await;
    }
    let asked = async {
        let visit = conductor.visit(at).await?;
        let told = timeout(ANSWER, ask(&visit.0, at)).await;
        told.unwrap_or_else(|_| Err("it took too long".to_owned()))
    };
    asked
        .await
        .map_err(|why| format!("{at} does not say who owns which slot: {why}"))
}

/// How slots are owned, by the word of one node.
pub(super) struct Told {
    pub(super) map: SlotMap,
    /// It finds its cluster down.
    pub(super) is_down: bool,
}

impl Told {
    /// What is wrong, for people.
    fn reason(&self) -> Option<String> {
        match self.map.uncovered() {
            Some(slots) => Some(format!(
                "slots of the cluster have no owner, and what belongs there cannot be carried: {slots}"
            )),
            None => self.is_down.then(|| {
                "slots of the cluster are without an owner: a master has failed and no replica has taken its place yet".to_owned()
            }),
        }
    }
}

/// Asks one node.
pub(super) async fn ask(session: &Session, at: &Server) -> Result<Told, String> {
    let mut commands = Commands::default();
    commands
        .command(&[b"CLUSTER", b"SLOTS"])
        .command(&[b"CLUSTER", b"INFO"]);
    let replies = session.request(commands).await.map_err(|broken| broken.0)?;
    let [slots, info] = &replies[..] else {
        return Err("the answer is incomplete".to_owned());
    };
    let map = SlotMap::parse(slots, at)?;
    let is_down = info
        .as_str()
        .is_some_and(|info| info.contains("cluster_state:fail"));
    Ok(Told { map, is_down })
}

//! A connection over which events come and nothing is answered.
//!
//! From here two things look alike. The answers wait behind much that the server has to
//! send: then it is to be let be, since what is on its way would be lost, and a crowd that
//! connects anew is the last thing that such a server needs. Or only what we say is lost, as
//! by a proxy that reads one direction alone: then the connection is to be given up, since
//! nothing that is published by it goes out.
//!
//! What tells them apart is the canary, published over a connection of its own, with the
//! number of the probe in doubt. If it comes while that probe is still out, the way back is
//! free: the probe never arrived.
//!
//! # Invariants
//!
//! - Where nothing comes there is no doubt: that is silence, and `probing` ends it.
//! - What may still be on its way out is given the time that a slow network takes for it.
//! - Whoever doubts waits for a share of the fleet's spread, and takes the attempt out of the
//!   process's budget. After it nobody doubts this server for [`AGAIN`].

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{Conductor, line::Line, probing::Probes};
use crate::redis::{
    socket::{Commands, Session},
    watch::EVERY,
};

/// With a probe and everything else unanswered for so long there is doubt.
const DOUBT: Duration = Duration::from_secs(2);

/// Events come, if one came within this.
const LATELY: Duration = Duration::from_secs(1);

/// How long the canary may take, once it was published elsewhere.
const PATIENCE: Duration = Duration::from_secs(1);

/// From one question to the next, whatever came of it.
const AGAIN: Duration = Duration::from_secs(30);

/// What a canary begins with that tells of a probe in doubt.
pub(super) const MARK: &[u8] = b"?";

/// Doubts for as long as the connection stands, and gives it up if that was right.
pub(super) async fn doubt(
    conductor: Rc<Conductor>,
    session: Session,
    line: Rc<Line>,
    probes: Rc<Probes>,
    canary: String,
    fail: impl Fn(&str),
) {
    loop {
        sleep(EVERY).await;
        let rests = |now| line.doubted.get().is_some_and(|at| at + AGAIN > now);
        if rests(Instant::now()) || in_doubt(&session, &probes).is_none() {
            continue;
        }
        sleep(conductor.spread().mul_f64(fastrand::f64())).await;
        let Some(number) = in_doubt(&session, &probes) else {
            continue;
        };
        line.doubted.set(Some(Instant::now()));
        if conductor
            .is_passed_by(&line, &probes, &canary, number)
            .await
        {
            fail("it brings events, and does not hear what it is told");
            return;
        }
    }
}

/// The probe that is in doubt, if one is.
fn in_doubt(session: &Session, probes: &Probes) -> Option<u64> {
    let now = Instant::now();
    let doubtful = probes.silence(now) < LATELY && session.unheard(now) >= DOUBT;
    probes.unanswered(DOUBT, now).filter(|_| doubtful)
}

impl Conductor {
    /// Whether a canary that is published now arrives, and this probe still has not.
    async fn is_passed_by(
        self: &Rc<Self>,
        line: &Line,
        probes: &Probes,
        canary: &str,
        number: u64,
    ) -> bool {
        // Registered before anything is published, so that it does not come unseen.
        let passed = probes.passed();
        let Ok(visit) = self.visit(&line.server).await else {
            return false;
        };
        let text = [MARK, number.to_string().as_bytes()].concat();
        let mut commands = Commands::default();
        commands.command(&[b"PUBLISH", canary.as_bytes(), &text]);
        let published = visit.0.request(commands);
        timeout(PATIENCE, async {
            published.await.is_ok() && passed.await == number
        })
        .await
        .unwrap_or(false)
    }
}

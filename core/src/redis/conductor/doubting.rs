//! A connection over which events come and nothing is answered.
//!
//! From here two things look alike. The answers wait behind much that the server has to
//! send: such a connection is not given up here, since what is on its way would be lost, and
//! a crowd that connects anew is the last thing that such a server needs. Or only what we
//! say is lost, as by a proxy that reads one direction alone: such a one is given up, since
//! nothing that is published by it goes out.
//!
//! What tells them apart is the canary, published over a connection of its own, with the
//! number of the probe in doubt. If it comes, the way back is free; if the probe is still out
//! a while later, it never arrived.
//!
//! Lines without a canary (of a sharded cluster, and of all but one node of another one) and
//! users who may not use it cannot tell. What ends their connections is a step of the ledger
//! that is not answered: of names that come or go, or of the audit.
//!
//! # Invariants
//!
//! - Where nothing comes there is no doubt: that is silence, and `probing` ends it.
//! - What was said before the probe is given the time that a slow network takes for it.
//! - Whoever doubts waits for a share of the fleet's spread, and takes the attempt out of the
//!   process's budget. The more often a line is doubted without reason, the longer it rests.

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

/// Bytes a second that a network brings at the least.
const SLOWEST: f64 = 128.0 * 1024.0;

/// Something comes, if something came within this.
const LATELY: Duration = Duration::from_secs(1);

/// How long the canary may take, once it was published elsewhere.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much longer the probe may take than a canary that came: with [`DOUBT`], long enough for
/// TCP to have sent four times what was lost.
const SURE: Duration = Duration::from_millis(1_500);

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
    let in_doubt = || in_doubt(&session, &probes, Instant::now());
    loop {
        sleep(EVERY).await;
        let now = Instant::now();
        let may_ask = line.rest.get().is_over(now) && probes.silence(now) < LATELY;
        if !may_ask || in_doubt().is_none() {
            continue;
        }
        sleep(conductor.spread().mul_f64(fastrand::f64())).await;
        let Some(number) = in_doubt() else {
            continue;
        };
        let mut passed = conductor
            .is_passed_by(&line, &probes, &canary, number)
            .await;
        if passed == Some(true) {
            sleep(SURE).await;
            passed = Some(in_doubt() == Some(number));
        }
        line.rest.set(line.rest.get().after(passed, Instant::now()));
        if passed == Some(true) {
            fail("it brings events, and does not hear what it is told");
            return;
        }
    }
}

/// The probe that is in doubt, if one is.
fn in_doubt(session: &Session, probes: &Probes, now: Instant) -> Option<u64> {
    let (number, ahead) = probes.unanswered(DOUBT, now)?;
    let way = ahead.saturating_sub(session.settled()) as f64 / SLOWEST;
    let least = DOUBT + Duration::from_secs_f64(way);
    (session.unanswered(now) >= least).then_some(number)
}

impl Conductor {
    /// Whether a canary that is published now arrives, and this probe still has not. None if
    /// it could not be published.
    async fn is_passed_by(
        self: &Rc<Self>,
        line: &Line,
        probes: &Probes,
        canary: &str,
        number: u64,
    ) -> Option<bool> {
        // Registered before anything is published, so that it does not come unseen.
        let passed = probes.passed();
        let visit = self.visit(&line.server).await.ok()?;
        let text = [MARK, number.to_string().as_bytes()].concat();
        let mut commands = Commands::default();
        commands.command(&[b"PUBLISH", canary.as_bytes(), &text]);
        let replies = timeout(PATIENCE, visit.0.request(commands)).await;
        let replies = replies.ok()?.ok()?;
        if replies.first()?.error().is_some() {
            return None;
        }
        let came = timeout(PATIENCE, passed).await;
        Some(came.is_ok_and(|passed| passed == number))
    }
}

/// For how long a line is not doubted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    until: Option<Instant>,
    pause: Duration,
}

impl Rest {
    /// After a doubt that was right, and after the first that was not.
    const SHORT: Duration = Duration::from_secs(30);
    /// After many that were not.
    const LONG: Duration = Duration::from_secs(300);
    /// After one that has led to nothing.
    const BRIEF: Duration = Duration::from_secs(3);

    pub(super) const NONE: Rest = Rest {
        until: None,
        pause: Rest::SHORT,
    };

    fn is_over(self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// The next one, after a doubt that was right, or not, or has led to nothing.
    fn after(self, right: Option<bool>, now: Instant) -> Rest {
        let pause = match right {
            None => {
                return Rest {
                    until: Some(now + Rest::BRIEF),
                    ..self
                };
            }
            Some(true) => Rest::SHORT,
            Some(false) => match self.until {
                // Not so long after the last one.
                Some(until) if until + self.pause > now => (self.pause * 2).min(Rest::LONG),
                _ => Rest::SHORT,
            },
        };
        Rest {
            until: Some(now + pause),
            pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_doubts_without_reason_rests_longer_each_time() {
        let mut now = Instant::now();
        let mut rest = Rest::NONE;
        let mut rests = Vec::new();
        for _ in 0..6 {
            assert!(rest.is_over(now));
            rest = rest.after(Some(false), now);
            assert!(!rest.is_over(now));
            rests.push((rest.until.unwrap() - now).as_secs());
            now = rest.until.unwrap();
        }
        assert_eq!(rests, [30, 60, 120, 240, 300, 300]);
        // What could not be found out is asked again soon, and forgets nothing.
        let unknown = rest.after(None, now);
        assert_eq!(unknown.until, Some(now + Rest::BRIEF));
        let again = unknown.after(Some(false), now + Rest::BRIEF);
        assert_eq!(again.pause, Rest::LONG);
        // After a long time without doubt, and after one that was right, it begins anew.
        let later = now + 2 * Rest::LONG + Rest::BRIEF;
        assert_eq!(again.after(Some(false), later).pause, Rest::SHORT);
        assert_eq!(again.after(Some(true), now).pause, Rest::SHORT);
    }
}

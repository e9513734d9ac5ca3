//! Looking for logs that began while a pattern was cut off.
//!
//! What a pattern brings is known only once it was heard. A log that began unheard is
//! found by walking the server's keys, a step at a time. After an outage every hub of a
//! fleet has to, at a server that has just come back: so they begin at moments that are
//! spread, and the larger the fleet, the longer the pauses of each.

use std::{rc::Rc, time::Duration};

use tokio::time::sleep;

use super::Conductor;
use crate::{
    backplane::Condition,
    redis::{
        arrival::Stamp,
        log::keys,
        socket::{Commands, Reply, Session},
        watch::code,
    },
};

/// Keys that a server looks through per step, and the pause between two steps of a fleet.
const STEP: &[u8] = b"1000";
const BREATH: Duration = Duration::from_millis(1);

/// How long one hub of so many pauses after a step.
fn breath(hubs: u32) -> Duration {
    BREATH * hubs.max(1)
}

impl Conductor {
    /// Looks for logs when there may be some, for as long as the hub lives.
    pub(super) async fn search(self: Rc<Self>) {
        loop {
            self.searches.notified().await;
            let Some(mark) = self.inbox.borrow().to_search() else {
                continue;
            };
            sleep(self.spread().mul_f64(fastrand::f64())).await;
            if !self.common.settings.modes.any_logged() || self.search_everywhere().await {
                self.inbox.borrow_mut().searched(mark);
            }
        }
    }

    /// Whether all servers were looked through. If not, a link is on its way, and its
    /// coming is the next occasion.
    async fn search_everywhere(&self) -> bool {
        let sessions: Option<Vec<Session>> = {
            let lines = self.lines.borrow();
            let sessions = lines.values().map(|line| line.session.borrow().clone());
            sessions.collect()
        };
        let Some(sessions) = sessions else {
            return false;
        };
        for session in &sessions {
            if !self.search_at(session).await {
                return false;
            }
        }
        !sessions.is_empty()
    }

    async fn search_at(&self, session: &Session) -> bool {
        let mut cursor = "0".to_owned();
        loop {
            let mut commands = Commands::default();
            commands.command(&[
                b"SCAN",
                cursor.as_bytes(),
                b"MATCH",
                keys::ANY_LOG.as_bytes(),
                b"COUNT",
                STEP,
                b"TYPE",
                b"stream",
            ]);
            let Ok(mut replies) = session.request(commands).await else {
                return false;
            };
            let (next, found) = match replies.pop() {
                Some(Reply::List(parts)) => match <[Reply; 2]>::try_from(parts) {
                    Ok([next, Reply::List(found)]) => {
                        self.unsay(code::UNSEARCHED);
                        (next, found)
                    }
                    _ => return false,
                },
                Some(Reply::Error(words)) => {
                    // Asking again would not help: what patterns missed cannot be told.
                    let text = format!(
                        "logs that began while patterns were cut off cannot be looked for: {words}"
                    );
                    self.say(code::UNSEARCHED, Condition::Degraded, text);
                    return true;
                }
                _ => return false,
            };
            let now = Stamp::now();
            for channel in found
                .iter()
                .filter_map(Reply::as_str)
                .filter_map(keys::channel_of)
            {
                self.inbox(|inbox, shore| inbox.found(channel, now, shore));
            }
            match next.as_str() {
                None | Some("0") => return true,
                Some(next) => cursor = next.to_owned(),
            }
            sleep(breath(self.fleet().unwrap_or(1))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_asks_as_often_as_one_hub() {
        for hubs in [1, 20, 1_000, 50_000] {
            let steps = f64::from(hubs) / breath(hubs).as_secs_f64();
            assert!((steps - 1_000.0).abs() < 1.0, "{hubs}: {steps} a second");
        }
        assert_eq!(breath(0), BREATH);
    }
}

//! How many connections listen to a channel.
//!
//! Each node counts its own, so all of them are asked, also those of a cluster that this hub
//! has no connection to: others may listen there. One that does not answer leaves the count
//! unknown: it may be the one with those who matter. So does one that another takes over
//! from: hubs on their way listen to both, and count twice.

use std::rc::Rc;

use super::{Conductor, line::Line, mapping};
use crate::redis::{
    socket::{Commands, Reply, Session},
    target::Topology,
};

impl Conductor {
    pub(super) async fn count_listeners(
        self: Rc<Self>,
        channel: String,
        told: Box<dyn FnOnce(Option<u64>) + Send>,
    ) {
        let count = self.listeners(&channel).await;
        self.contained(|| told(count));
    }

    async fn listeners(self: &Rc<Self>, channel: &str) -> Option<u64> {
        let lines: Vec<_> = self.lines.borrow().values().cloned().collect();
        let asked = asked(&lines)?;
        let mut count = 0;
        for line in &asked {
            let session = line.session.borrow().clone()?;
            count += self.listeners_at(&session, channel).await?;
        }
        if self.common.settings.target.topology == Topology::Cluster {
            // Replicas come and go, and nobody else asks after them.
            let (line, session) = asked
                .iter()
                .find_map(|line| Some((line, line.session.borrow().clone()?)))?;
            let told = mapping::ask(&session, &line.server).await.ok()?;
            if told.is_down {
                return None;
            }
            for at in told.map.serving() {
                if !asked.iter().any(|line| line.server == *at) {
                    let visit = self.visit(at).await.ok()?;
                    count += self.listeners_at(&visit.0, channel).await?;
                }
            }
        }
        Some(count)
    }

    async fn listeners_at(&self, session: &Session, channel: &str) -> Option<u64> {
        let question: &[u8] = match self.common.settings.sharded {
            true => b"SHARDNUMSUB",
            false => b"NUMSUB",
        };
        let mut commands = Commands::default();
        commands.command(&[b"PUBSUB", question, channel.as_bytes()]);
        let replies = session.request(commands).await.ok()?;
        let Some(Reply::List(pair)) = replies.first() else {
            return None;
        };
        u64::try_from(pair.get(1)?.as_int()?).ok()
    }
}

/// Those to be asked; `None` while the count would be that of a succession.
fn asked(lines: &[Rc<Line>]) -> Option<Vec<&Rc<Line>>> {
    let (left, asked): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.leaving.get());
    // One that is left and nothing goes out by any more has been succeeded by all.
    let is_settled = left.iter().all(|line| !line.speaks.get());
    (is_settled && !asked.is_empty()).then_some(asked)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::redis::{interest::Ledger, socket::Kind, target::Server, topology::LinkId};

    #[test]
    fn while_one_server_succeeds_another_nothing_is_counted() {
        let line = |id, leaving, speaks| {
            let server = Server {
                host: "a".into(),
                port: 6379,
            };
            let ledger = Ledger::new(Kind::Channel, Duration::ZERO);
            let line = Line::new(LinkId(id), server, false, ledger);
            line.leaving.set(leaving);
            line.speaks.set(speaks);
            Rc::new(line)
        };
        let ids = |lines: &[Rc<Line>]| {
            asked(lines).map(|asked| asked.iter().map(|line| line.id.0).collect::<Vec<_>>())
        };
        let (new, moving, left) = (
            line(1, false, false),
            line(2, true, true),
            line(3, true, false),
        );
        assert_eq!(ids(&[]), None);
        assert_eq!(ids(&[Rc::clone(&moving), Rc::clone(&new)]), None);
        assert_eq!(ids(&[Rc::clone(&left)]), None);
        assert_eq!(ids(&[left, new]), Some(vec![1]));
    }
}

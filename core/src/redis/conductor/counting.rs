//! How many connections listen to a channel.
//!
//! Each node counts its own, so all of them are asked, also those of a cluster that this hub
//! has no connection to: others may listen there. One that does not answer leaves the count
//! unknown: it may be the one with those who matter. So does one that another takes over
//! from: hubs on their way listen to both, and count twice.
//!
//! Replicas outside of clusters hand on what their master is told, and readers may have been
//! put there to spare it. The master says where they are, as it sees them: one behind a
//! translation of addresses, or with another password, cannot be asked from here. It leaves
//! out those who listen there, lest it bars every count for ever.

use std::rc::Rc;

use tokio::task::JoinSet;

use super::{Conductor, line::Line, mapping};
use crate::redis::{
    plane::Place,
    socket::{Commands, Reply, Session},
    target::{Server, Topology},
    watch::info::Info,
};

impl Conductor {
    pub(super) async fn count_listeners(
        self: Rc<Self>,
        place: Place,
        channel: String,
        told: Box<dyn FnOnce(Option<u64>) + Send>,
    ) {
        let count = match place {
            Place::Nodes => self.listeners(&channel).await,
            Place::Replicas => self.listeners_at_replicas(&channel).await,
        };
        self.contained(|| told(count));
    }

    async fn listeners_at_replicas(self: &Rc<Self>, channel: &str) -> Option<u64> {
        if self.common.settings.target.topology == Topology::Cluster {
            // They are nodes, too.
            return Some(0);
        }
        let lines: Vec<_> = self.lines.borrow().values().cloned().collect();
        let mut visits = JoinSet::new();
        for line in asked(&lines)? {
            let session = line.session.borrow().clone()?;
            for at in replicas(&session, &line.server).await? {
                let (this, channel) = (Rc::clone(self), channel.to_owned());
                visits.spawn_local(async move {
                    let visit = this.visit(&at).await.ok()?;
                    this.listeners_at(&visit.0, &channel).await
                });
            }
        }
        let mut count = 0;
        while let Some(visited) = visits.join_next().await {
            count += visited.ok().flatten().unwrap_or(0);
        }
        Some(count)
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

/// Where a master says that its replicas are; none if the user may not ask.
async fn replicas(session: &Session, master: &Server) -> Option<Vec<Server>> {
    let mut commands = Commands::default();
    commands.command(&[b"INFO", b"replication"]);
    let replies = session.request(commands).await.ok()?;
    let mut info = Info::default();
    info.read(replies.first().and_then(Reply::as_str).unwrap_or_default());
    let seats = info.replication.unwrap_or_default().seats;
    let online = seats.iter().filter(|seat| seat.online);
    let servers = online.filter_map(|seat| Server::redirected(&seat.address, master));
    Some(servers.collect())
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
    use crate::redis::{interest::Ledger, socket::Kind, topology::LinkId};

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

//! What the inbox is told of names and connections, and what it delivers.
//!
//! Topics that keep a log are placed before they are listened to: what is published from
//! there on is heard, or read.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use super::{Conductor, arriving::Shore, line::Line};
use crate::{
    backplane::Name,
    pattern::Pattern,
    redis::{
        arrival::Stamp,
        inbox::Inbox,
        interest::{Confirmation, Step},
        log::{keys, query},
        socket::{Commands, Kind, Reply, Session},
        topology::LinkId,
    },
    topic::Topic,
};

/// How long names wait to be joined for whoever keeps their logs.
const PLACING: Duration = Duration::from_millis(500);

impl Conductor {
    /// Does something with the inbox and where it delivers. What panics in the hub is
    /// counted and goes no further.
    pub(super) fn inbox<T>(&self, act: impl FnOnce(&mut Inbox, &mut Shore<'_>) -> T) -> Option<T> {
        let acted = self.hear(act);
        self.together.borrow_mut().wake();
        acted
    }

    /// The same, while more has been read and comes at once: whoever has got something is
    /// woken after all of it.
    pub(super) fn hear<T>(&self, act: impl FnOnce(&mut Inbox, &mut Shore<'_>) -> T) -> Option<T> {
        let acted = self.contained(|| {
            let mut shore = Shore {
                inlet: &self.inlet,
                together: &mut self.together.borrow_mut(),
                panics: &self.common.figures.panics,
            };
            act(&mut self.inbox.borrow_mut(), &mut shore)
        });
        if self.inbox.borrow().has_reads() {
            self.repairs.wake();
        }
        acted
    }

    /// The server has said that it brings a name, or does not any more.
    pub(super) fn heeded(
        &self,
        confirmation: Confirmation,
        kind: Kind,
        joined: bool,
        name: &str,
        now: Stamp,
    ) {
        let is_asked = matches!(confirmation, Confirmation::Asked | Confirmation::Missed);
        if joined && is_asked {
            self.now_heard_as(name, kind == Kind::Pattern);
        }
        match (kind, joined) {
            (Kind::Pattern, _) => {
                let Ok(pattern) = Pattern::new(name) else {
                    return;
                };
                let keeps_logs = self.common.settings.modes.may_be_logged(&pattern);
                self.inbox(|inbox, _| match joined {
                    true if !keeps_logs => {}
                    true => inbox.pattern_joined(&pattern, now),
                    false => inbox.pattern_parted(&pattern),
                });
            }
            (_, true) => {
                let modes = &self.common.settings.modes;
                let is_logged = modes.any_logged() && modes.of(name).is_logged();
                self.inbox(|inbox, shore| {
                    if confirmation == Confirmation::Missed {
                        inbox.severed(name, now);
                    }
                    if is_logged {
                        inbox.begun(name, now);
                    }
                    inbox.joined(name, now, shore);
                });
            }
            (_, false) => {
                let is_heard = self.is_heard(name);
                // Wanted still: it has been taken from us, or goes to another link.
                let is_severed =
                    !is_heard && (confirmation == Confirmation::Lost || self.is_wanted(name));
                self.inbox(|inbox, _| match is_severed {
                    true => inbox.severed(name, now),
                    false => inbox.parted(name, is_heard),
                });
            }
        }
    }

    /// Patterns may have been given up: nothing is kept of what they alone brought.
    pub(super) fn tidy(&self) {
        self.inbox(|inbox, _| inbox.forget_unheard(|topic| self.is_heard(topic)));
    }

    /// A link is gone: what no other brings is cut off.
    pub(super) fn cut_off(&self, line: &Line) {
        let is_heard = |topic: &str| {
            let lines = self.lines.borrow();
            let mut others = lines.values().filter(|other| other.id != line.id);
            others.any(|other| other.ledger.borrow().brings(topic))
        };
        self.inbox(|inbox, _| inbox.broken(Stamp::now(), is_heard));
    }

    /// All that is wanted of a link is heard.
    pub(super) fn whole(&self) {
        let lines = self.lines.borrow();
        let all = lines
            .values()
            .all(|line| line.ledger.borrow().missing() == 0);
        drop(lines);
        self.inbox(|inbox, shore| {
            inbox.whole(Stamp::now(), |topic| self.is_heard(topic), shore);
            if all {
                inbox.forget_cut(|topic| self.is_wanted(topic));
            }
        });
        self.searches.notify_one();
        self.repairs.return_home();
    }

    /// Whether there may be something in a topic's log that was missed and is to be read.
    pub(super) fn is_behind(&self, topic: &str) -> bool {
        self.inbox.borrow().is_behind(topic)
    }

    /// A plain payload goes out.
    pub(super) fn will_echo(&self, topic: &str, payload: &[u8]) {
        let lines = self.lines.borrow();
        if lines
            .values()
            .any(|line| line.ledger.borrow().may_bring(topic))
        {
            self.inbox.borrow_mut().sent(topic, payload, Stamp::now());
        }
    }

    /// It did not, after all.
    pub(super) fn will_not_echo(&self, topic: &str, payload: &[u8]) {
        self.inbox.borrow_mut().refused(topic, payload);
    }

    fn is_heard(&self, topic: &str) -> bool {
        let lines = self.lines.borrow();
        lines
            .values()
            .any(|line| line.ledger.borrow().brings(topic))
    }

    /// Whether somebody listens to a topic by its name.
    fn is_wanted(&self, topic: &str) -> bool {
        Topic::new(topic).is_ok_and(|topic| self.inlet.is_wanted(&Name::Topic(topic)))
    }

    /// Brings the figures up to what the inbox has counted.
    pub(super) fn count(&self) {
        let tally = self.inbox.borrow().tally();
        let figures = &self.common.figures;
        figures.arrived.set(tally.arrived);
        figures.repaired.set(tally.repaired);
        figures.duplicates.set(tally.duplicates);
        figures.gaps.set(tally.gaps);
        figures.logged_gaps.set(tally.logged_gaps);
        figures.lost.set(tally.lost);
        figures.late.set(tally.late);
        figures.unreadable.set(tally.unreadable);
    }
}

impl Conductor {
    /// The topics of a step of whose logs nothing is known yet.
    pub(super) fn unplaced(&self, step: &Step) -> Vec<Topic> {
        let modes = &self.common.settings.modes;
        let Step::Names(batch) = step else {
            return Vec::new();
        };
        if !batch.joined || batch.kind == Kind::Pattern || !modes.any_logged() {
            return Vec::new();
        }
        let inbox = self.inbox.borrow();
        let topics = batch.names().iter().filter_map(|name| match name {
            Name::Topic(topic) => Some(topic),
            Name::Pattern(_) => None,
        });
        topics
            .filter(|topic| {
                modes.of(topic.as_str()).is_logged() && inbox.is_unplaced(topic.as_str())
            })
            .cloned()
            .collect()
    }

    /// Asks how far the logs of these topics go. Those that cannot be asked are placed by
    /// the first event that comes, or by the time of their joining if a break comes first.
    pub(super) async fn place(&self, topics: Vec<Topic>) {
        if topics.is_empty() {
            return;
        }
        let until = Instant::now() + PLACING;
        let mut asked: BTreeMap<LinkId, (Session, Commands, Vec<Topic>)> = BTreeMap::new();
        for topic in topics {
            let Some((link, session)) = self.home(topic.as_str()) else {
                continue;
            };
            let (_, commands, topics) = asked
                .entry(link)
                .or_insert_with(|| (session, Commands::default(), Vec::new()));
            query::ask_head(commands, topic.as_str());
            let log = keys::log(topic.as_str());
            commands.command(&[b"EXISTS", log.as_bytes()]);
            topics.push(topic);
        }
        // All of them at once: one that is silent holds up no other.
        let asked: Vec<_> = asked
            .into_values()
            .map(|(session, commands, topics)| (session.request(commands), topics))
            .collect();
        for (replies, topics) in asked {
            let Ok(Ok(replies)) = timeout_at(until.into(), replies).await else {
                continue;
            };
            let now = Stamp::now();
            for (topic, answers) in topics.iter().zip(replies.chunks_exact(2)) {
                let [head @ Reply::List(_), Reply::Int(exists)] = answers else {
                    continue;
                };
                let head = query::head_of(head);
                if head.is_some() || *exists == 0 {
                    self.inbox(|inbox, _| inbox.placed(topic.as_str(), head, now));
                }
            }
        }
    }

    /// The connection to where the log of a topic is.
    pub(super) fn home(&self, topic: &str) -> Option<(LinkId, Session)> {
        let link = self.plan.borrow().home(topic.as_bytes())?;
        let session = self.line(link)?.session.borrow().clone()?;
        Some((link, session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Hub,
        backplane::{Backplane, Inlet},
        redis::{Redis, inbox::Via, wire::envelope::MARK},
    };

    #[test]
    fn users_see_that_something_could_not_be_read() {
        let redis = Redis::at("redis://127.0.0.1:1").unwrap().build().unwrap();
        let hub = Hub::new();
        let conductor = Conductor::new(redis.common(), Inlet::new(hub.core()));
        conductor.inbox(|inbox, shore| inbox.message(Via::Topic, "t", &MARK, Stamp::now(), shore));
        conductor.count();
        let counts = redis.health().counts;
        assert_eq!((counts.unreadable, counts.lost), (1, 1));
    }
}

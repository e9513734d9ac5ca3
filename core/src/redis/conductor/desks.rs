//! Whose turn it is to read logs: each link has one pipeline of reads under way, and what
//! else is to be read there waits.
//!
//! # Invariants
//!
//! - A server that is slow holds up no reads of others.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::poll_fn,
    pin::Pin,
    task::Poll,
};

use super::suspects::Step;
use crate::redis::{
    inbox::Read,
    socket::{Broken, Reply},
    topology::LinkId,
};

/// Reads at a time, of a link.
const READS: usize = 128;

/// Reads that wait, by link, and the links that are reading.
#[derive(Default)]
pub(super) struct Desks {
    waiting: BTreeMap<LinkId, VecDeque<Read>>,
    reading: BTreeSet<LinkId>,
}

impl Desks {
    pub(super) fn add(&mut self, link: LinkId, read: Read) {
        self.waiting.entry(link).or_default().push_back(read);
    }

    /// A link that can read, and what.
    pub(super) fn begin(&mut self) -> Option<(LinkId, VecDeque<Read>)> {
        let link = *self
            .waiting
            .keys()
            .find(|link| !self.reading.contains(link))?;
        let mut reads = self.waiting.remove(&link)?;
        let rest = reads.split_off(reads.len().min(READS));
        if !rest.is_empty() {
            self.waiting.insert(link, rest);
        }
        self.reading.insert(link);
        Some((link, reads))
    }

    pub(super) fn end(&mut self, link: LinkId) {
        self.reading.remove(&link);
    }
}

/// A pipeline of reads, answered.
pub(super) struct Answered {
    pub(super) link: LinkId,
    pub(super) reads: Vec<(Read, Step)>,
    pub(super) replies: Result<Vec<Reply>, Broken>,
}

/// Pipelines that are under way: one per link, so that none waits for another's server.
#[derive(Default)]
pub(super) struct Rounds(Vec<Pin<Box<dyn Future<Output = Answered>>>>);

impl Rounds {
    pub(super) fn push(&mut self, round: impl Future<Output = Answered> + 'static) {
        self.0.push(Box::pin(round));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next that is answered; none while there are none.
    pub(super) async fn next(&mut self) -> Answered {
        poll_fn(|context| {
            for at in 0..self.0.len() {
                if let Poll::Ready(answered) = self.0[at].as_mut().poll(context) {
                    drop(self.0.swap_remove(at));
                    return Poll::Ready(answered);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::log::repair::Ask;

    fn read(topic: &str) -> Read {
        Read {
            topic: topic.into(),
            ticket: 1,
            ask: Ask::Newest,
        }
    }

    #[test]
    fn a_link_reads_once_at_a_time_and_waits_for_no_other() {
        let mut desks = Desks::default();
        for at in 0..READS + 1 {
            desks.add(LinkId(1), read(&format!("slow{at}")));
        }
        desks.add(LinkId(2), read("quick"));
        let begun = |desks: &mut Desks| desks.begin().map(|(link, reads)| (link, reads.len()));
        assert_eq!(begun(&mut desks), Some((LinkId(1), READS)));
        assert_eq!(begun(&mut desks), Some((LinkId(2), 1)));
        assert_eq!(begun(&mut desks), None);
        // The first has not answered yet.
        desks.end(LinkId(2));
        desks.add(LinkId(2), read("quick"));
        assert_eq!(begun(&mut desks), Some((LinkId(2), 1)));
        desks.end(LinkId(1));
        assert_eq!(begun(&mut desks), Some((LinkId(1), 1)));
        assert_eq!(begun(&mut desks), None);
    }

    #[tokio::test]
    async fn what_is_answered_first_is_settled_first() {
        let answered = |link| Answered {
            link: LinkId(link),
            reads: vec![(read("t"), Step::Page(1))],
            replies: Ok(Vec::new()),
        };
        let mut rounds = Rounds::default();
        let (slow, answers) = tokio::sync::oneshot::channel::<()>();
        rounds.push(async move {
            let _ = answers.await;
            answered(1)
        });
        for _ in 0..2 {
            rounds.push(async move { answered(2) });
            assert_eq!(rounds.next().await.link, LinkId(2));
        }
        drop(slow);
        assert_eq!(rounds.next().await.link, LinkId(1));
        assert!(rounds.is_empty());
    }
}

//! What crosses between the hub and its backplane: events out, losses in, interest.
//!
//! Local first: an event is in the feeds of this hub before it is forwarded, and a
//! backplane that cannot take it does not undo that.

use std::time::Instant;

use super::{
    core::Core,
    node::Node,
    publish::{Delivery, PublishError, PublishWaitError},
};
use crate::{
    backplane::{Acknowledge, Acknowledged, Backplane, Forwarding, Name},
    event::Publication,
    sync::Arc,
    topic::Topic,
    wake::Calls,
};

/// The most events that are told as lost at once. The number may be anything: it is what
/// others say of themselves, and those that count on from it must not run over.
const MOST_LOST: u64 = 1 << 32;

/// Hands an event to the backplane; who waits for its outcome is told at once if there is
/// none to wait for.
fn forward(
    backplane: &dyn Backplane,
    event: Publication,
    acknowledge: Option<Acknowledge>,
) -> Forwarding {
    let Err((error, acknowledge)) = backplane.forward(event, acknowledge) else {
        return Forwarding::Queued;
    };
    let kind = error.kind();
    if let Some(acknowledge) = acknowledge {
        acknowledge.tell(Err(error));
    }
    Forwarding::Refused(kind)
}

impl Core {
    /// Publishes here, and to other machines if there are any.
    pub(crate) fn publish_and_forward<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
        acknowledge: Option<Acknowledge>,
    ) -> Result<Delivery, PublishError> {
        let Some(backplane) = &self.backplane else {
            let delivery = self.publish(publication)?;
            if let Some(acknowledge) = acknowledge {
                acknowledge.tell(Ok(Acknowledged::default()));
            }
            return Ok(delivery);
        };
        let outgoing = Publication {
            topic: Topic::new(publication.topic.as_ref())?,
            content: publication.content.clone(),
        };
        let mut delivery = self.publish(publication)?;
        delivery.forwarding = forward(backplane.as_ref(), outgoing, acknowledge);
        Ok(delivery)
    }

    /// As [`publish_wait`](Core::publish_wait), and goes on to other machines once it is in
    /// the feeds of this one.
    pub(crate) fn publish_wait_and_forward<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
        deadline: Instant,
    ) -> Result<Delivery, PublishWaitError<T>> {
        let Some(backplane) = &self.backplane else {
            return self.publish_wait(publication, deadline);
        };
        let topic = Topic::new(publication.topic.as_ref())
            .map_err(|error| PublishWaitError::Refused(error.into()))?;
        let content = publication.content.clone();
        let mut delivery = self.publish_wait(publication, deadline)?;
        let outgoing = Publication { topic, content };
        delivery.forwarding = forward(backplane.as_ref(), outgoing, None);
        Ok(delivery)
    }

    /// Notes that a name may have got its first listener or lost its last. The caller sees
    /// to it that the backplane is [told](Core::tell_interest).
    #[inline]
    pub(crate) fn note_interest(&self, node: &Node) {
        if self.backplane.is_some() {
            self.interest.note(node.name.wanted());
        }
    }

    /// Tells the backplane of what has been noted. No lock may be held.
    #[inline]
    pub(crate) fn tell_interest(&self) {
        if let Some(backplane) = &self.backplane
            && self.interest.is_to_be_told()
        {
            backplane.interest_changed();
        }
    }

    /// Whether anybody listens to a name.
    pub(crate) fn is_wanted(&self, name: &Name) -> bool {
        let node = match name {
            Name::Topic(topic) => self.table.find(topic.as_str()),
            Name::Pattern(pattern) => self.patterns.find(pattern),
        };
        node.is_some_and(|node| !node.admissions().lock().has_no_feeds())
    }

    /// The topics of a name that keep history, or did lately.
    pub(crate) fn kept(&self, name: &Name) -> Vec<Topic> {
        let is_kept = |topic: &Topic| {
            let mut rules = self.rules.iter();
            rules.any(|rule| rule.topics.matches(topic.as_str()))
        };
        match name {
            Name::Topic(topic) if is_kept(topic) => vec![topic.clone()],
            Name::Pattern(pattern) if !self.rules.is_empty() => {
                let is_meant = |topic: &Topic| pattern.matches(topic.as_str()) && is_kept(topic);
                self.table.names(is_meant)
            }
            _ => Vec::new(),
        }
    }

    /// Notes in the history of a topic that nobody listened to what others published.
    pub(crate) fn unheard(&self, topic: &Topic) {
        loop {
            let Some(node) = self
                .table
                .find(topic.as_str())
                .or_else(|| self.first_seen(topic.as_str()))
            else {
                return;
            };
            let Some(history) = &node.history else {
                return;
            };
            let is_gone = {
                let mut order = node.order.lock();
                let is_gone = node.admissions().lock().is_gone();
                if !is_gone {
                    history.unheard_by_all(&mut order);
                }
                is_gone
            };
            if !is_gone {
                // It may have been made for this alone.
                return self.forget_node(node);
            }
        }
    }

    /// Tells everybody who asked for events of a topic that so many of them are lost. What
    /// a filter would have made of them nobody knows: whoever has one is told as well.
    pub(crate) fn lose(&self, topic: &Topic, missed: u64) {
        let missed = missed.min(MOST_LOST);
        let node = loop {
            let Some(node) = self
                .table
                .find(topic.as_str())
                .or_else(|| self.first_seen(topic.as_str()))
            else {
                return;
            };
            if self.lose_at(&node, missed) {
                break node;
            }
        };
        if node.history.is_some() {
            // It may have been made for this alone.
            self.forget_node(node);
        }
        self.reap(true);
    }

    /// False when the topic is out of its table.
    fn lose_at(&self, node: &Arc<Node>, missed: u64) -> bool {
        let mut calls = Calls::default();
        let mut crowded = Vec::new();
        {
            let mut order = node.order.lock();
            let Some(hits) = self.route_any(node) else {
                return false;
            };
            if let Some(history) = &node.history {
                // Whoever comes back later has missed them as well.
                history.lose(missed);
                *order += missed;
            }
            for outlet in &hits.outlets {
                if outlet.feed.lose(missed, &mut calls) {
                    crowded.push(Arc::clone(outlet));
                }
            }
        }
        calls.make();
        self.herald.tell(crowded);
        true
    }
}

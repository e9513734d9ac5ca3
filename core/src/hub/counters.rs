//! Topics that are counted by themselves.

use super::{TooManyTopics, core::Core};
use crate::{
    metrics::{TopicMeters, TopicStats},
    sync::Arc,
    topic::Topic,
};

impl Core {
    pub(crate) fn count_topic(&self, topic: &Topic) -> Result<(), TooManyTopics> {
        let mut counted = self.counted.lock();
        if counted.contains_key(topic) {
            return Ok(());
        }
        if counted.len() >= self.max_topic_counters {
            return Err(TooManyTopics {
                limit: self.max_topic_counters,
            });
        }
        let node = loop {
            let node = self.topic_node(topic);
            let mut admissions = node.admissions().lock();
            if !admissions.is_gone() {
                admissions.more_mut().counters = Some(Arc::new(TopicMeters::default()));
                drop(admissions);
                break node;
            }
        };
        counted.insert(topic.clone(), node);
        Ok(())
    }

    pub(crate) fn uncount_topic(&self, topic: &Topic) {
        let Some(node) = self.counted.lock().remove(topic) else {
            return;
        };
        let counters = node.admissions().lock().more_mut().counters.take();
        drop(counters);
        self.forget_node(node);
    }

    pub(crate) fn topic_stats(&self) -> Vec<TopicStats> {
        let counted: Vec<_> = {
            let counted = self.counted.lock();
            counted
                .iter()
                .map(|(topic, node)| (topic.clone(), Arc::clone(node)))
                .collect()
        };
        let stats = counted.into_iter().filter_map(|(topic, node)| {
            let admissions = node.admissions().lock();
            let meters = admissions.more()?.counters.as_ref()?;
            Some(meters.stats(topic))
        });
        let mut stats: Vec<_> = stats.collect();
        stats.sort_by(|a, b| a.topic.cmp(&b.topic));
        stats
    }
}

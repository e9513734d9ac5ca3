//! How many connections listen to a channel.
//!
//! Each node counts its own, so all of them are asked. One that does not answer leaves the
//! count unknown: it may be the one with those who matter.

use std::rc::Rc;

use super::Conductor;
use crate::redis::socket::{Commands, Reply};

impl Conductor {
    pub(super) async fn count_listeners(
        self: Rc<Self>,
        channel: String,
        told: Box<dyn FnOnce(Option<u64>) + Send>,
    ) {
        let count = self.listeners(&channel).await;
        self.contained(|| told(count));
    }

    async fn listeners(&self, channel: &str) -> Option<u64> {
        let question: &[u8] = match self.common.settings.sharded {
            true => b"SHARDNUMSUB",
            false => b"NUMSUB",
        };
        let lines: Vec<_> = self.lines.borrow().values().cloned().collect();
        if lines.is_empty() {
            return None;
        }
        let mut count = 0;
        for line in lines {
            let session = line.session.borrow().clone()?;
            let mut commands = Commands::default();
            commands.command(&[b"PUBSUB", question, channel.as_bytes()]);
            let replies = session.request(commands).await.ok()?;
            let Some(Reply::List(pair)) = replies.first() else {
                return None;
            };
            count += u64::try_from(pair.get(1)?.as_int()?).ok()?;
        }
        Some(count)
    }
}

//! Batches of the queue, sent and settled.

use std::{collections::VecDeque, rc::Rc, time::Instant};

use super::{Conductor, line::Line};
use crate::{
    backplane::{Acknowledge, Acknowledged, ForwardError, ForwardErrorKind},
    event::Publication,
    redis::socket::{Commands, Reply, Session},
    sync::Mutex,
};

const BATCH: usize = 256 * 1024;

struct Waiting {
    event: Publication,
    acknowledge: Option<Acknowledge>,
}

/// Events that wait to be sent.
pub(crate) struct Queue {
    most: usize,
    state: Mutex<(VecDeque<Waiting>, usize, bool)>,
}

impl Queue {
    pub(crate) fn new(most: usize) -> Self {
        Queue {
            most,
            state: Mutex::default(),
        }
    }

    pub(crate) fn push(
        &self,
        event: Publication,
        acknowledge: Option<Acknowledge>,
    ) -> Result<(), (ForwardError, Option<Acknowledge>)> {
        let mut state = self.state.lock();
        let weight = event.content.weight();
        let kind = if state.2 {
            ForwardErrorKind::Closed
        } else if state.1 + weight > self.most {
            ForwardErrorKind::Full
        } else {
            state.1 += weight;
            state.0.push_back(Waiting { event, acknowledge });
            return Ok(());
        };
        Err((ForwardError::new(kind), acknowledge))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().1
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.2 = true;
        let left = std::mem::take(&mut state.0);
        state.1 = 0;
        drop(state);
        drop(left);
    }

    fn take(&self) -> Vec<Waiting> {
        let mut state = self.state.lock();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH
            && let Some(next) = state.0.pop_front()
        {
            bytes += next.event.content.weight();
            taken.push(next);
        }
        state.1 -= bytes;
        taken
    }
}

/// Sends what is queued for as long as the connection stands.
pub(super) async fn publish(conductor: Rc<Conductor>, line: Rc<Line>, session: Session) {
    loop {
        let batch = match conductor.speaks(&line) {
            true => conductor.common.queue.take(),
            false => Vec::new(),
        };
        if batch.is_empty() {
            if line.closing.get() {
                return;
            }
            tokio::select! {
                () = line.filled.notified() => continue,
                _ = session.closed() => return,
            }
        }
        let mut commands = Commands::default();
        for Waiting { event, .. } in &batch {
            let topic = event.topic.as_str();
            commands.command(&[b"PUBLISH", topic.as_bytes(), event.payload()]);
            conductor.will_echo(topic, event.payload());
        }
        let replies = session.request(commands).await;
        let broken = replies.is_err();
        for (at, waiting) in batch.into_iter().enumerate() {
            let outcome = match &replies {
                Err(broken) => {
                    Err(ForwardError::new(ForwardErrorKind::Unconfirmed)
                        .because(broken.to_string()))
                }
                Ok(replies) => match &replies[at] {
                    Reply::Error(words) => {
                        conductor.will_not_echo(&waiting.event);
                        if words.starts_with("OOM") {
                            line.watch.borrow_mut().refused(Instant::now());
                        }
                        Err(ForwardError::new(ForwardErrorKind::Rejected).because(words.as_str()))
                    }
                    reply => Ok(Acknowledged {
                        heard: reply.as_int().unwrap_or(0) as u64,
                        number: None,
                    }),
                },
            };
            match &outcome {
                Ok(_) => conductor.common.figures.sent.add(1),
                Err(_) => conductor.common.figures.failed.add(1),
            }
            if let Some(acknowledge) = waiting.acknowledge {
                conductor.contained(|| acknowledge.tell(outcome));
            }
        }
        if broken {
            return;
        }
    }
}

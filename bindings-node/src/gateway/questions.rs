//! Questions that wait for JavaScript's answer, by number.
//!
//! No promise crosses the border. A task asks and gets a number; JavaScript is called
//! with the number and answers with it, whenever it has an answer. A question whose
//! asker has gone (the handshake took too long, say) is taken back, and its answer finds
//! nobody.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::sync::oneshot;

use super::queue::{Call, Queue};

/// Numbers are unique in the process: JavaScript never takes one gateway's for another's.
static NUMBERS: AtomicI64 = AtomicI64::new(1);

/// Open questions `Q` with answers `A`.
pub(super) struct Questions<Q, A> {
    queue: Arc<Queue>,
    /// `None`: nobody will answer any more.
    open: Mutex<Option<HashMap<i64, Open<Q, A>>>>,
}

struct Open<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
}

impl<Q, A> Questions<Q, A> {
    pub(super) fn new(queue: &Arc<Queue>) -> Arc<Self> {
        Arc::new(Questions {
            queue: Arc::clone(queue),
            open: Mutex::new(Some(HashMap::new())),
        })
    }

    /// Asks, by this call. `None` when there is nobody to answer.
    pub(super) async fn ask(self: &Arc<Self>, question: Q, call: fn(i64) -> Call) -> Option<A> {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (answer, mut answered) = oneshot::channel();
        let asked = Open { question, answer };
        self.open().as_mut()?.insert(number, asked);
        let _asker = Asker {
            questions: Arc::clone(self),
            number,
        };
        if !self.queue.put(call(number)) {
            return None;
        }
        (&mut answered).await.ok()
    }

    /// Looks at a question, if it is still asked.
    pub(super) fn look<T>(&self, number: i64, look: impl FnOnce(&Q) -> T) -> Option<T> {
        let open = self.open();
        Some(look(&open.as_ref()?.get(&number)?.question))
    }

    /// Answers. False when nobody waits for it any more.
    pub(super) fn answer(&self, number: i64, answer: A) -> bool {
        match self.take_out(number) {
            Some(open) => open.answer.send(answer).is_ok(),
            None => false,
        }
    }

    /// There will be no answers: all who wait are told so.
    pub(super) fn close(&self) {
        let left = self.open().take();
        drop(left);
    }

    fn take_out(&self, number: i64) -> Option<Open<Q, A>> {
        self.open().as_mut()?.remove(&number)
    }

    fn open(&self) -> MutexGuard<'_, Option<HashMap<i64, Open<Q, A>>>> {
        // A map is whole after each of its calls.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits. Takes the question back when it waits no longer.
struct Asker<Q, A> {
    questions: Arc<Questions<Q, A>>,
    number: i64,
}

impl<Q, A> Drop for Asker<Q, A> {
    fn drop(&mut self) {
        if self.questions.take_out(self.number).is_some() {
            self.questions.queue.put(Call::Withdrawn(self.number));
        }
    }
}

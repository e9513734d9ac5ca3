//! Questions that wait for Python's answer, by number.
//!
//! A task of the runtime asks and gets a number; Python is called with the number and
//! answers with it, from whatever thread, whenever it has an answer. A question whose asker
//! has gone (the client left, or the handshake took too long) is taken back, and its answer
//! finds nobody.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::board::{Board, Call, Side};

/// Unique in the process: one gateway's are never taken for another's.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Open questions `Q` with answers `A`, all for one side.
pub(super) struct Questions<Q, A> {
    side: Side,
    /// `None`: nobody will answer any more.
    open: Mutex<Option<HashMap<u64, Open<Q, A>>>>,
}

struct Open<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
}

impl<Q, A> Questions<Q, A> {
    pub(super) fn new(side: Side) -> Arc<Self> {
        Arc::new(Questions {
            side,
            open: Mutex::new(Some(HashMap::new())),
        })
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    /// Asks, by this call. `None` when there is nobody to answer.
    pub(super) async fn ask(
        self: &Arc<Self>,
        board: &Arc<Board>,
        question: Q,
        call: fn(u64) -> Call,
    ) -> Option<A> {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (answer, mut answered) = oneshot::channel();
        let asked = Open { question, answer };
        self.open.lock().as_mut()?.insert(number, asked);
        let _asker = Asker {
            questions: Arc::clone(self),
            board: Arc::clone(board),
            number,
        };
        if !board.put(self.side, call(number)) {
            return None;
        }
        (&mut answered).await.ok()
    }

    /// Looks at a question, if it is still asked.
    pub(super) fn look<T>(&self, number: u64, look: impl FnOnce(&Q) -> T) -> Option<T> {
        let open = self.open.lock();
        Some(look(&open.as_ref()?.get(&number)?.question))
    }

    /// Answers. False when nobody waits for it any more.
    pub(super) fn answer(&self, number: u64, answer: A) -> bool {
        match self.take_out(number) {
            Some(open) => open.answer.send(answer).is_ok(),
            None => false,
        }
    }

    /// There will be no answers: all who wait are told so.
    pub(super) fn close(&self) {
        let left = self.open.lock().take();
        drop(left);
    }

    fn take_out(&self, number: u64) -> Option<Open<Q, A>> {
        self.open.lock().as_mut()?.remove(&number)
    }
}

/// Who waits. Takes the question back when it waits no longer.
struct Asker<Q, A> {
    questions: Arc<Questions<Q, A>>,
    board: Arc<Board>,
    number: u64,
}

impl<Q, A> Drop for Asker<Q, A> {
    fn drop(&mut self) {
        if self.questions.take_out(self.number).is_some() {
            self.board
                .put(self.questions.side, Call::Withdrawn(self.number));
        }
    }
}

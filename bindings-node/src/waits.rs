//! What JavaScript waits for and is no event: what became of a publication on its way to
//! other machines, that these are heard, that the health of all this changes, and that a hub
//! which was closed has done its last.
//!
//! Everything waited for has a number, which JavaScript gave. When one is settled, by
//! whichever thread, its number goes into a list and the loop is rung once; the loop comes
//! and takes what is settled in one call. No promise crosses the border.

use std::{
    collections::HashMap,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use distributary::backplane::{
    Acknowledged, Closing, ForwardError, ForwardErrorKind, JoinError, Joined, Name, Receipt,
};
use napi::{bindgen_prelude::Function, threadsafe_function::ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::{
    bell::Doorbell,
    health::{Changes, NativeHealth},
};

/// The waits of one hub on one loop.
#[napi]
pub struct NativeWaits {
    settled: Arc<Settled>,
    open: HashMap<u32, What>,
}

enum What {
    Receipt(Receipt),
    Joined(Joined),
    Changed(Changes),
    Closing(Closing),
}

/// The numbers of those that may be settled.
struct Settled {
    numbers: Mutex<Vec<u32>>,
    bell: Doorbell,
}

struct Notice {
    settled: Arc<Settled>,
    number: u32,
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        let mut numbers = self
            .settled
            .numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        numbers.push(self.number);
        // Whoever finds the list empty rings for all who come before the loop does.
        let rings = numbers.len() == 1;
        drop(numbers);
        if rings {
            // A loop that is gone has nobody to tell.
            let _ = self
                .settled
                .bell
                .call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// One that is settled.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeSettled {
    /// Its number, as JavaScript gave it.
    pub wait: u32,
    /// Of a publication: how many heard it.
    pub heard: Option<f64>,
    /// Of a publication in a mode that keeps a log: its place there.
    pub number: Option<f64>,
    /// Of a publication that failed: one of the names of [`kind_name`].
    pub kind: Option<String>,
    /// And what is to be said of that.
    pub message: Option<String>,
    /// Of the health: how it is; none where it cannot change any more.
    pub health: Option<NativeHealth>,
    /// Of waiting for others: the names that are not heard, for the server refuses them.
    pub refused: Option<Vec<String>>,
}

#[napi]
impl NativeWaits {
    /// Those of a loop, which is called when some are settled.
    #[napi(constructor, catch_unwind)]
    pub fn new(ring: Function<'_, (), ()>) -> napi::Result<Self> {
        let bell = ring.build_threadsafe_function().weak::<true>().build()?;
        let numbers = Mutex::default();
        Ok(NativeWaits {
            settled: Arc::new(Settled { numbers, bell }),
            open: HashMap::new(),
        })
    }

    /// Takes those that are settled.
    #[napi(catch_unwind)]
    pub fn take(&mut self) -> Vec<NativeSettled> {
        let numbers = std::mem::take(
            &mut *self
                .settled
                .numbers
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        numbers
            .into_iter()
            .filter_map(|number| self.look(number))
            .collect()
    }

    /// Nobody waits for this one any more.
    #[napi(catch_unwind)]
    pub fn forget(&mut self, number: u32) {
        self.open.remove(&number);
    }
}

impl NativeWaits {
    pub(crate) fn receipt(&mut self, number: u32, receipt: Receipt) -> Option<NativeSettled> {
        self.begin(number, What::Receipt(receipt))
    }

    pub(crate) fn joined(&mut self, number: u32, joined: Joined) -> Option<NativeSettled> {
        self.begin(number, What::Joined(joined))
    }

    pub(crate) fn changed(&mut self, number: u32, changes: Changes) -> Option<NativeSettled> {
        self.begin(number, What::Changed(changes))
    }

    pub(crate) fn closing(&mut self, number: u32, closing: Closing) -> Option<NativeSettled> {
        self.begin(number, What::Closing(closing))
    }

    /// Waits, unless it is settled already.
    fn begin(&mut self, number: u32, what: What) -> Option<NativeSettled> {
        self.open.insert(number, what);
        self.look(number)
    }

    /// What came of one, if it is settled.
    fn look(&mut self, number: u32) -> Option<NativeSettled> {
        let what = self.open.get_mut(&number)?;
        let settled = Arc::clone(&self.settled);
        let waker = Waker::from(Arc::new(Notice { settled, number }));
        let mut cx = Context::from_waker(&waker);
        let mut settled = NativeSettled {
            wait: number,
            ..NativeSettled::default()
        };
        let outcome = match what {
            What::Receipt(receipt) => Pin::new(receipt)
                .poll(&mut cx)
                .map(|outcome| settled.tell(outcome)),
            What::Joined(joined) => Pin::new(joined)
                .poll(&mut cx)
                .map(|outcome| settled.tell_joined(outcome)),
            What::Closing(closing) => Pin::new(closing).poll(&mut cx),
            What::Changed(changes) => {
                poll_change(changes, &mut cx).map(|health| settled.health = health)
            }
        };
        if outcome.is_pending() {
            return None;
        }
        self.open.remove(&number);
        Some(settled)
    }
}

fn poll_change(changes: &Changes, cx: &mut Context<'_>) -> Poll<Option<NativeHealth>> {
    let mut changes = changes.lock().unwrap_or_else(PoisonError::into_inner);
    pin!(changes.next())
        .poll(cx)
        .map(|health| health.map(Into::into))
}

impl NativeSettled {
    fn tell_joined(&mut self, outcome: Result<(), JoinError>) {
        let Err(error) = outcome else {
            return;
        };
        self.message = Some(error.to_string());
        if let JoinError::Refused(names) = error {
            let names = names.iter().map(Name::as_str);
            self.refused = Some(names.map(str::to_owned).collect());
        }
    }

    fn tell(&mut self, outcome: Result<Acknowledged, ForwardError>) {
        match outcome {
            Ok(acknowledged) => {
                self.heard = Some(acknowledged.heard as f64);
                self.number = acknowledged.number.map(|number| number as f64);
            }
            Err(error) => {
                self.kind = Some(kind_name(error.kind()).into());
                self.message = Some(error.to_string());
            }
        }
    }
}

/// Why an event did not reach other machines, or may not have, by its name in JavaScript.
pub(crate) fn kind_name(kind: ForwardErrorKind) -> &'static str {
    KINDS
        .into_iter()
        .find_map(|(known, name)| (known == kind).then_some(name))
        .unwrap_or("unknown")
}

/// The place of a kind in `lib/delivery.js`, from 2 on.
pub(crate) fn kind_place(kind: ForwardErrorKind) -> usize {
    let place = KINDS.into_iter().position(|(known, _)| known == kind);
    2 + place.unwrap_or(KINDS.len())
}

const KINDS: [(ForwardErrorKind, &str); 8] = [
    (ForwardErrorKind::Full, "full"),
    (ForwardErrorKind::Expired, "expired"),
    (ForwardErrorKind::Unconfirmed, "unconfirmed"),
    (ForwardErrorKind::Rejected, "rejected"),
    (ForwardErrorKind::NotKept, "not-kept"),
    (ForwardErrorKind::NotReplicated, "not-replicated"),
    (ForwardErrorKind::Unsupported, "unsupported"),
    (ForwardErrorKind::Closed, "closed"),
];

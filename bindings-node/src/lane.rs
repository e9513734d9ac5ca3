//! The lane of one event loop, as JavaScript holds it.
//!
//! JavaScript is rung (see [`crate::bell`]) and pulls; nothing here calls it. What it pulls
//! is laid out by the [`Desk`].

use distributary::{Lane, Selector, SliceLimits, Token};
use napi::bindgen_prelude::{BufferSlice, Env, FnArgs, Function};
use napi_derive::napi;

use crate::{
    bell::bell,
    desk::{Counter, Desk, OUT},
    error::{Code, Result, closed, error, selector_error, subscribe_error},
    hub::NativeHub,
    options::NativeSubscribeOptions,
};

/// Deliveries of one turn of the engine's lane.
const TURN: usize = 256;

/// One event loop's share of a hub.
#[napi]
pub struct NativeLane {
    lane: Lane,
    desk: Desk,
}

#[napi]
impl NativeLane {
    /// A lane of this thread's loop, which calls `ring` when there is something to pull.
    #[napi(constructor, catch_unwind)]
    pub fn new(hub: &NativeHub, ring: Function<'_, (), ()>) -> napi::Result<Self> {
        let doorbell = ring
            .build_threadsafe_function()
            .weak::<true>()
            .callee_handled::<false>()
            .build()?;
        let limits = SliceLimits::default().deliveries(TURN);
        let mut lane = Lane::with_limits(hub.hub(), limits);
        lane.on_ready(bell(doorbell));
        let mut desk = Desk::new();
        // A lane rings only after a turn that found nothing.
        let counter = &mut Counter { desk: &mut desk, credit: &mut [] };
        let _ = lane.turn(counter);
        Ok(NativeLane { lane, desk })
    }

    /// The length of the array that [`pull`](Self::pull) writes to.
    #[napi(getter)]
    pub fn out_length(&self) -> u32 {
        OUT as u32
    }

    /// Subscribes a member; in force when this returns.
    #[napi(catch_unwind)]
    pub fn attach(
        &mut self,
        slot: u32,
        topics: Vec<String>,
        patterns: Vec<String>,
        options: Option<NativeSubscribeOptions>,
    ) -> Result<()> {
        let selector = selector(&topics, &patterns)?;
        let options = options.unwrap_or_default().options()?;
        let member = self
            .lane
            .subscribe_with(selector, Token(slot.into()), options)
            .map_err(subscribe_error)?;
        self.desk.seat(slot, member);
        Ok(())
    }

    /// Takes a member out. Records that name it may still be on their way.
    #[napi(catch_unwind)]
    pub fn leave(&mut self, slot: u32) {
        if let Some(member) = self.desk.leave(slot) {
            self.lane.unsubscribe(member);
        }
    }

    /// Lets a member go on that had no credit. The lane has to be pulled after it.
    #[napi(catch_unwind)]
    pub fn resume(&mut self, slot: u32) {
        if let Some(member) = self.desk.member(slot) {
            self.lane.resume(member);
        }
    }

    /// Serves a turn unless the one before is not handed out yet, and hands out. The flags.
    #[napi(catch_unwind)]
    pub fn pull(&mut self, out: &mut [u32], credit: &mut [u32], slab: &mut [u8], used: u32) -> u32 {
        let mut more = true;
        if self.desk.is_clear() {
            self.desk.crossing.trim();
            let counter = &mut Counter { desk: &mut self.desk, credit };
            more = self.lane.turn(counter).more;
        }
        let flags = self.desk.hand_out(out, slab, used as usize, more);
        if flags == 0 {
            self.desk.crossing.clear();
        }
        flags
    }

    /// How long a slab has to be for what comes next.
    #[napi(catch_unwind)]
    pub fn need(&self) -> u32 {
        self.desk.need() as u32
    }

    /// The payload of an event that did not cross with it: shared with the engine if it has
    /// so many bytes, else a copy.
    #[napi(catch_unwind)]
    pub fn payload(&self, env: &Env, number: u32, share_from: f64) -> Result<BufferSlice<'_>> {
        todo!()
    }
}

fn selector(topics: &[String], patterns: &[String]) -> Result<Selector> {
    let mut selector = match (topics, patterns) {
        ([], []) => {
            return Err(error(
                Code::BadSelector,
                "the selector names nothing: give at least one topic or pattern",
            ));
        }
        ([], [pattern, ..]) => Selector::pattern(pattern),
        ([topic], _) => Selector::topic(topic),
        _ => Selector::topics(topics),
    }
    .map_err(selector_error)?;
    for pattern in patterns {
        selector = selector.and_pattern(pattern).map_err(selector_error)?;
    }
    Ok(selector)
}

//! The lane of one event loop, as JavaScript holds it.
//!
//! JavaScript is rung (see [`crate::bell`]) and pulls; nothing here calls it. What it pulls
//! is laid out by the [`Desk`].

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use distributary::{Lane, MemberId, Selector, SliceLimits, SubscribeError, Token};
use napi::bindgen_prelude::{
    BufferSlice, ClassInstance, Env, Function, Uint8ArraySlice, Uint32ArraySlice,
};
use napi_derive::napi;

use crate::{
    bell::{LaneId, bell, ring_lane},
    desk::{APART, Counter, Desk, MORE},
    error::{Result, subscribe_error},
    filters::NativeFilter,
    hub::NativeHub,
    names::{names, selector},
    options::NativeSubscribeOptions,
};

/// Deliveries of one turn of the engine's lane.
const TURN: usize = 256;

/// One event loop's share of a hub.
#[napi]
pub struct NativeLane {
    id: LaneId,
    lane: Lane,
    desk: Desk,
    /// The hub ends, or has ended.
    closing: Arc<AtomicBool>,
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
        let (id, call) = bell(doorbell);
        lane.on_ready(call);
        let mut desk = Desk::new();
        // A lane rings only after a turn that found nothing.
        let counter = &mut Counter {
            desk: &mut desk,
            credit: &mut [],
        };
        let _ = lane.turn(counter);
        Ok(NativeLane {
            id,
            lane,
            desk,
            closing: hub.closing(),
        })
    }

    /// Its name, by which a publish of this thread says whom it rang.
    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Rings a lane of this thread that the caller has not made itself.
    #[napi(catch_unwind)]
    pub fn ring(id: u32) {
        ring_lane(id);
    }

    /// Subscribes a member; in force when this returns.
    #[napi(catch_unwind)]
    pub fn attach(
        &mut self,
        slot: u32,
        topics: Vec<String>,
        patterns: Vec<String>,
        filter: Option<ClassInstance<'_, NativeFilter>>,
        options: Option<NativeSubscribeOptions>,
    ) -> Result<()> {
        let mut selector = selector(&topics, &patterns)?;
        if let Some(filter) = filter {
            selector = selector.filter(filter.filter().clone());
        }
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

    /// How many events wait for a member.
    #[napi(catch_unwind)]
    pub fn lag(&self, slot: u32) -> f64 {
        let member = self.desk.member(slot);
        member.and_then(|member| self.lane.lag(member)).unwrap_or(0) as f64
    }

    /// The topics and the patterns that a member has now.
    #[napi(catch_unwind)]
    pub fn names(&self, slot: u32) -> Option<NativeNames> {
        let selector = self.selector(slot)?;
        Some(NativeNames {
            topics: selector.named_topics().map(ToString::to_string).collect(),
            patterns: selector.named_patterns().map(ToString::to_string).collect(),
        })
    }

    /// Adds names to a member, all or none. How many were not there. The lane has to be
    /// pulled after it.
    #[napi(catch_unwind)]
    pub fn add(&mut self, slot: u32, topics: Vec<String>, patterns: Vec<String>) -> Result<u32> {
        let (member, names) = (self.member(slot)?, names(&topics, &patterns)?);
        let added = self.lane.add(member, names).map_err(subscribe_error)?;
        Ok(added as u32)
    }

    /// Removes names of a member, all or none. How many were there. The lane has to be
    /// pulled after it.
    #[napi(catch_unwind)]
    pub fn remove(&mut self, slot: u32, topics: Vec<String>, patterns: Vec<String>) -> Result<u32> {
        let (member, names) = (self.member(slot)?, names(&topics, &patterns)?);
        let removed = self.lane.remove(member, names).map_err(subscribe_error)?;
        Ok(removed as u32)
    }

    /// Takes back what is on its way to a member and is not covered by its names any more.
    #[napi(catch_unwind)]
    pub fn sift(&mut self, slot: u32) {
        if let Some(selector) = self.selector(slot) {
            self.desk.sift(slot, |topic| covers(&selector, topic));
        }
    }

    /// Whether a member's names cover a topic.
    #[napi(catch_unwind)]
    pub fn covers(&self, slot: u32, topic: String) -> bool {
        self.selector(slot)
            .is_none_or(|selector| covers(&selector, &topic))
    }

    /// Serves a turn unless the one before is not handed out yet, and hands out. The flags.
    #[napi(catch_unwind)]
    pub fn pull(
        &mut self,
        mut out: Uint32ArraySlice<'_>,
        mut credit: Uint32ArraySlice<'_>,
        mut slab: Uint8ArraySlice<'_>,
        used: u32,
    ) -> u32 {
        // SAFETY: three arrays that lib/lane.js made for this alone and shows to nobody;
        // JavaScript does not run before this returns.
        let (out, credit, slab) = unsafe { (out.as_mut(), credit.as_mut(), slab.as_mut()) };
        let mut more = true;
        if self.desk.is_clear() {
            self.desk.crossing.trim();
            if self.closing.load(Ordering::Acquire) {
                for member in self.desk.release(credit) {
                    self.lane.resume(member);
                }
            }
            let counter = &mut Counter {
                desk: &mut self.desk,
                credit,
            };
            more = self.lane.turn(counter).more;
        }
        let flags = self.desk.hand_out(out, slab, used as usize, more);
        if flags & (MORE | APART) == 0 {
            self.desk.crossing.clear();
        }
        flags
    }

    /// How long a slab has to be for what comes next.
    #[napi(catch_unwind)]
    pub fn need(&self) -> u32 {
        self.desk.need() as u32
    }

    /// The payload of an event that did not cross with it: shared with the engine, or a
    /// copy.
    #[napi(catch_unwind)]
    pub fn payload<'env>(
        &self,
        env: &'env Env,
        number: u32,
        share_from: f64,
    ) -> napi::Result<Option<BufferSlice<'env>>> {
        let Some(event) = self.desk.crossing.event(number) else {
            return Ok(None);
        };
        let payload = event.payload().clone();
        if (payload.len() as f64) < share_from {
            return BufferSlice::copy_from(env, payload).map(Some);
        }
        let (data, length) = (payload.as_ptr().cast_mut(), payload.len());
        // SAFETY: the payload is held until the finalizer drops it, and its bytes do not
        // move. Nobody in Rust has a mutable view of them; that JavaScript does not write
        // to them is what the option `shareFrom` asks of its user.
        unsafe { BufferSlice::from_external(env, data, length, payload, |_, held| drop(held)) }
            .map(Some)
    }

    /// What the positions of the hub's events begin with, once one has crossed.
    #[napi(catch_unwind)]
    pub fn epoch(&self) -> String {
        format!("{:x}", self.desk.epoch)
    }

    /// Lets go of all events: the lane is idle, and their payloads have been fetched.
    #[napi(catch_unwind)]
    pub fn clear(&mut self) {
        self.desk.crossing.clear();
    }
}

impl NativeLane {
    fn member(&self, slot: u32) -> Result<MemberId> {
        let member = self.desk.member(slot);
        member.ok_or_else(|| subscribe_error(SubscribeError::NoMember))
    }

    fn selector(&self, slot: u32) -> Option<Selector> {
        self.lane.selector(self.desk.member(slot)?)
    }
}

fn covers(selector: &Selector, topic: &str) -> bool {
    let named = selector.named_topics().any(|name| name.as_str() == topic);
    named
        || selector
            .named_patterns()
            .any(|pattern| pattern.matches(topic))
}

/// What a member asks for.
#[napi(object, object_from_js = false)]
pub struct NativeNames {
    /// Exact topics.
    pub topics: Vec<String>,
    /// Patterns.
    pub patterns: Vec<String>,
}

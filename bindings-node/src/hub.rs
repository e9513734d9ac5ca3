//! The hub as JavaScript holds it: publishing, and what is seen from outside.
//!
//! A hub is shared with other threads' loops by a token. The register of tokens holds no
//! hub alive: it is a list of weak references, cleared up when it is next written to.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use distributary::{
    Attributes, Bytes, Delivery, Hub, Publication, PublishError, Topic, Value,
    backplane::Forwarding, redis::migration::Moving,
};
use napi::bindgen_prelude::{
    ArrayBuffer, BigInt, Either, Either5, Env, Float64Array, Float64ArraySlice, Null, Object,
};
use napi_derive::napi;

use crate::{
    bell::{LaneId, quietly},
    error::{Code, Result, closed, error, publish_error},
    health::{NativeHealth, NativeHealthChanges},
    memory,
    migration::{NativeCourse, NativeMigration, NativeObstacle},
    options::NativeHubOptions,
    publisher::publisher,
    stats::{NativeStats, NativeTopicStats},
    waits::{NativeSettled, NativeWaits, kind_place},
};

/// One engine of this process, or a share in it.
#[napi]
pub struct NativeHub {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    hub: Hub,
    moving: Option<Moving>,
    token: u64,
    /// Set before the hub is closed, for the lanes, which do not hold it.
    closing: Arc<AtomicBool>,
}

/// Hubs that may be joined, by token.
static SHARED: LazyLock<Mutex<HashMap<u64, Weak<Shared>>>> = LazyLock::new(Mutex::default);

fn register() -> MutexGuard<'static, HashMap<u64, Weak<Shared>>> {
    // Whatever panicked here left the table whole.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A scalar that a publisher states beside the payload.
#[napi]
#[allow(unreachable_pub, reason = "exported to JavaScript")]
pub type NativeScalar = Either5<Null, bool, f64, BigInt, String>;

#[napi]
impl NativeHub {
    /// A hub of its own.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: NativeHubOptions) -> Result<Self> {
        static TOKENS: AtomicU64 = AtomicU64::new(1);
        let (hub, moving) = options.build()?;
        let shared = Shared {
            hub,
            moving,
            token: TOKENS.fetch_add(1, Ordering::Relaxed),
            closing: Arc::default(),
        };
        Ok(NativeHub {
            shared: Arc::new(shared),
        })
    }

    /// Lets other threads join. The token is good as long as somebody holds the hub.
    #[napi(catch_unwind)]
    pub fn share(&self) -> f64 {
        let mut hubs = register();
        hubs.retain(|_, hub| hub.strong_count() > 0);
        hubs.insert(self.shared.token, Arc::downgrade(&self.shared));
        self.shared.token as f64
    }

    /// A share in the hub that this token stands for, if there is one still.
    #[napi(catch_unwind)]
    pub fn join(token: f64) -> Option<NativeHub> {
        let shared = register().get(&(token as u64))?.upgrade()?;
        Some(NativeHub { shared })
    }

    /// The functions that publish bytes, which are copied, and texts: see [`publisher`]. What became of an event goes into
    /// `out`.
    #[napi(catch_unwind)]
    pub fn publisher<'env>(&self, env: &'env Env, out: Float64Array) -> napi::Result<Object<'env>> {
        publisher(env, Arc::clone(&self.shared), out)
    }

    /// Publishes bytes or a text with a key or with attributes: their names and values. What became of it goes into `out`.
    #[napi(catch_unwind)]
    pub fn publish_with(
        &self,
        topic: String,
        payload: Either<&[u8], String>,
        key: Option<String>,
        names: Vec<String>,
        values: Vec<NativeScalar>,
        out: Float64ArraySlice<'_>,
    ) -> Result<()> {
        let extras = Extras::new(key, names, values)?;
        self.publish(extras.with(topic, bytes(payload)), out)
    }

    /// The same, and waits under this number for what becomes of it on other machines; that
    /// is given where it is known already.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "they are those of a publish")]
    pub fn publish_acknowledged(
        &self,
        waits: &mut NativeWaits,
        number: u32,
        topic: String,
        payload: Either<&[u8], String>,
        key: Option<String>,
        names: Vec<String>,
        values: Vec<NativeScalar>,
        mut out: Float64ArraySlice<'_>,
    ) -> Result<Option<NativeSettled>> {
        let extras = Extras::new(key, names, values)?;
        let publication = extras.with(topic, bytes(payload));
        let (published, rung) = quietly(|| self.hub().publish_acknowledged(publication));
        let receipt = published.map_err(refused)?;
        let delivery = receipt.delivery();
        // SAFETY: as of `publish` below.
        Outcome { delivery, rung }.write(unsafe { out.as_mut() });
        Ok(waits.receipt(number, receipt))
    }

    /// Waits under this number until other machines are heard; what is given says that they
    /// are already.
    #[napi(catch_unwind)]
    pub fn joined(&self, waits: &mut NativeWaits, number: u32) -> Option<NativeSettled> {
        waits.joined(number, self.hub().joined())
    }

    /// How the backplane is.
    #[napi(catch_unwind)]
    pub fn health(&self) -> NativeHealth {
        self.hub().health().into()
    }

    /// The same, and whenever that changes.
    #[napi(catch_unwind)]
    pub fn health_changes(&self) -> NativeHealthChanges {
        NativeHealthChanges::new(self.hub().health_changes())
    }

    /// Takes part in the migration of a topic, at this stage; or what is in the way of that.
    #[napi(catch_unwind)]
    pub fn begin(
        &self,
        course: NativeCourse,
        stage: String,
    ) -> Result<Either<NativeMigration, NativeObstacle>> {
        match &self.shared.moving {
            Some(moving) if !self.hub().is_closed() => course.begin(moving, &stage),
            _ => Err(closed()),
        }
    }

    /// Publishes a stretch of what [`allocate`](Self::allocate) gave, without a copy, and
    /// detaches it. False, and nothing is done, if it is something else.
    #[napi(catch_unwind)]
    #[allow(
        clippy::too_many_arguments,
        reason = "an object would cost more than the copy of a small payload"
    )]
    pub fn publish_taken(
        &self,
        topic: String,
        buffer: ArrayBuffer<'_>,
        offset: u32,
        length: u32,
        key: Option<String>,
        names: Vec<String>,
        values: Vec<NativeScalar>,
        out: Float64ArraySlice<'_>,
    ) -> Result<bool> {
        // What is wrong with the rest is found before the memory is gone.
        named(&topic)?;
        let extras = Extras::new(key, names, values)?;
        let taken = memory::take(buffer, offset as usize, length as usize)
            .map_err(|cause| error(Code::BadPayload, cause.reason))?;
        let Some(payload) = taken else {
            return Ok(false);
        };
        self.publish(extras.with(topic, payload), out)?;
        Ok(true)
    }

    /// An ArrayBuffer that can be published without a copy.
    #[napi(catch_unwind)]
    pub fn allocate<'env>(env: &'env Env, length: u32) -> Result<ArrayBuffer<'env>> {
        let allocated = NonZeroUsize::new(length as usize)
            .map(|length| memory::allocate(env, length))
            .transpose()
            .map_err(|cause| error(Code::TooLarge, cause.reason))?;
        allocated.flatten().ok_or_else(|| {
            error(
                Code::TooLarge,
                format_args!("there is no memory for {length} bytes: allocate less"),
            )
        })
    }

    /// All counters.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> NativeStats {
        self.hub().stats().into()
    }

    /// All counters as Prometheus reads them.
    #[napi(catch_unwind)]
    pub fn prometheus(&self) -> String {
        self.hub().prometheus()
    }

    /// Where a topic that keeps history stands.
    #[napi(catch_unwind)]
    pub fn position(&self, topic: String) -> Result<Option<String>> {
        let topic = named(&topic)?;
        Ok(self
            .hub()
            .position(&topic)
            .map(|position| position.to_string()))
    }

    /// Counts a topic by itself.
    #[napi(catch_unwind)]
    pub fn count_topic(&self, topic: String) -> Result<()> {
        self.hub().count_topic(&named(&topic)?).map_err(|cause| {
            let limit = cause.limit;
            error(
                Code::TooMany,
                format_args!("{limit} topics are counted by themselves already: stop counting one, or raise the option `topicCounters` of the hub"),
            )
        })
    }

    /// Stops counting a topic.
    #[napi(catch_unwind)]
    pub fn uncount_topic(&self, topic: String) -> Result<()> {
        self.hub().uncount_topic(&named(&topic)?);
        Ok(())
    }

    /// The counters of topics that are counted by themselves.
    #[napi(catch_unwind)]
    pub fn topic_stats(&self) -> Vec<NativeTopicStats> {
        self.hub()
            .topic_stats()
            .into_iter()
            .map(Into::into)
            .collect()
    }

    /// Ends the hub, for everybody who shares it, and waits for nothing. Which lane of this
    /// thread rang.
    #[napi(catch_unwind)]
    pub fn close(&self) -> u32 {
        self.shared.closing.store(true, Ordering::Release);
        quietly(|| self.hub().close()).1
    }

    /// Waits under this number until a hub that was ended has sent what was queued.
    #[napi(catch_unwind)]
    pub fn parting(&self, waits: &mut NativeWaits, number: u32) -> Option<NativeSettled> {
        waits.closing(number, self.hub().close())
    }

    /// Whether a hub that was ended has done that, or had nothing to do.
    #[napi(getter, catch_unwind)]
    pub fn parted(&self) -> bool {
        let hub = self.hub();
        hub.is_closed() && hub.close().wait(Instant::now())
    }

    /// Whether somebody has ended it.
    #[napi(getter, catch_unwind)]
    pub fn closed(&self) -> bool {
        self.shared.closing.load(Ordering::Acquire)
    }
}

impl NativeHub {
    /// The engine.
    pub(crate) fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// Becomes true before the hub is closed.
    pub(crate) fn closing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.closing)
    }

    fn publish(
        &self,
        publication: Publication<String>,
        mut out: Float64ArraySlice<'_>,
    ) -> Result<()> {
        let outcome = self.shared.publish(publication)?;
        // SAFETY: lib/hub.js made the array for this alone, and JavaScript does not run before
        // this returns.
        outcome.write(unsafe { out.as_mut() });
        Ok(())
    }
}

impl Shared {
    pub(crate) fn publish<T: AsRef<str>>(&self, publication: Publication<T>) -> Result<Outcome> {
        let (published, rung) = quietly(|| self.hub.publish_event(publication));
        let delivery = published.map_err(refused)?;
        Ok(Outcome { delivery, rung })
    }
}

fn refused(cause: PublishError) -> napi::Error<Code> {
    match cause {
        PublishError::Closed => closed(),
        cause => publish_error(cause),
    }
}

/// A payload, copied.
fn bytes(payload: Either<&[u8], String>) -> Bytes {
    match payload {
        Either::A(bytes) => Bytes::copy_from_slice(bytes),
        Either::B(text) => Bytes::from(text),
    }
}

/// What became of an event, and which lane of this thread rang.
pub(crate) struct Outcome {
    delivery: Delivery,
    rung: LaneId,
}

impl Outcome {
    /// Nobody wanted it, and there is no position of it.
    pub(crate) fn is_nothing(&self) -> bool {
        self.delivery.feeds == 0
            && self.delivery.position.is_none()
            && self.rung == 0
            && self.delivery.forwarding == Forwarding::None
    }

    /// Writes down: subscriptions reached, feeds, share, which lane rang, whether there is a
    /// position, the halves of its epoch and offset, and how it is forwarded.
    pub(crate) fn write(&self, out: &mut [f64]) {
        let Outcome { delivery, rung } = self;
        let (offset, epoch) = delivery
            .position
            .map_or((0, 0), |position| (position.offset, position.epoch));
        let low = |number: u64| f64::from(number as u32);
        let high = |number: u64| f64::from((number >> 32) as u32);
        let written = [
            delivery.subscriptions as f64,
            delivery.feeds as f64,
            delivery.share,
            f64::from(*rung),
            f64::from(u8::from(delivery.position.is_some())),
            high(epoch),
            low(epoch),
            high(offset),
            low(offset),
            match delivery.forwarding {
                Forwarding::None => 0.0,
                Forwarding::Refused(kind) => kind_place(kind) as f64,
                _ => 1.0,
            },
        ];
        for (place, number) in out.iter_mut().zip(written) {
            *place = number;
        }
    }
}

/// What an event may have beside topic and payload.
struct Extras {
    key: Option<String>,
    attributes: Attributes,
}

impl Extras {
    fn new(key: Option<String>, names: Vec<String>, values: Vec<NativeScalar>) -> Result<Self> {
        let mut attributes = Attributes::new();
        for (name, value) in names.into_iter().zip(values) {
            let value = scalar(&name, value)?;
            attributes.push(name, value);
        }
        Ok(Extras { key, attributes })
    }

    fn with(self, topic: String, payload: Bytes) -> Publication<String> {
        let publication = Publication::new(topic, payload).attributes(self.attributes);
        match self.key {
            Some(key) => publication.key(key),
            None => publication,
        }
    }
}

fn named(topic: &str) -> Result<Topic> {
    Topic::new(topic).map_err(|cause| error(Code::BadTopic, cause))
}

fn scalar(name: &str, value: NativeScalar) -> Result<Value> {
    let what = match value {
        NativeScalar::A(Null) => return Ok(Value::Null),
        NativeScalar::B(value) => return Ok(value.into()),
        NativeScalar::C(number) => match distributary::Number::from_f64(number) {
            Some(exact) if number.is_finite() => return Ok(Value::Number(exact)),
            _ => "is no number in JSON",
        },
        NativeScalar::D(number) => match (number.get_i64(), number.get_u64()) {
            ((signed, true), _) => return Ok(signed.into()),
            (_, (_, unsigned, true)) => return Ok(unsigned.into()),
            _ => "is an integer that 64 bits do not hold",
        },
        NativeScalar::E(text) => return Ok(text.into()),
    };
    Err(error(
        Code::BadPayload,
        format_args!("attributes: the value of {name:?} {what}"),
    ))
}

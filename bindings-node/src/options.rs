//! Settings as JavaScript states them: numbers are `f64`, durations milliseconds.
//!
//! JavaScript has checked names and types; what is checked here is what only the engine
//! knows, such as the bounds of a budget.

use std::time::Duration;

use distributary::{
    Budget, BudgetOptions, Hub, HubBuilder, Overflow, Position, Resume, SubscribeOptions, Topic,
    Waking, redis::migration::Moving,
};
use napi_derive::napi;

use crate::{
    error::{Code, Result, budget_error, error, pattern_error},
    redis::NativeRedis,
};

/// How much may wait.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct NativeBudget {
    /// Events.
    pub events: Option<f64>,
    /// Bytes.
    pub bytes: Option<f64>,
    /// Milliseconds.
    pub age: Option<f64>,
}

impl NativeBudget {
    /// As far as it is said.
    fn options(&self) -> BudgetOptions {
        let age = |age| Duration::try_from_secs_f64(age / 1e3).unwrap_or(Duration::MAX);
        BudgetOptions {
            events: self.events.map(|events| events as usize),
            bytes: self.bytes.map(|bytes| bytes as usize),
            age: self.age.map(age),
        }
    }

    /// The engine's default where nothing is said.
    fn whole(&self) -> Result<Budget> {
        let budget = self.options().over(Budget::default());
        budget.map_err(budget_error)
    }
}

/// One rule of what topics keep.
#[napi(object, object_to_js = false)]
pub struct NativeHistory {
    /// A pattern.
    pub topics: String,
    /// How much they keep.
    pub keep: NativeBudget,
}

/// Settings of a hub.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct NativeHubOptions {
    /// One of the names of [`overflow`].
    pub overflow: Option<String>,
    /// How much may wait for a subscription.
    pub budget: Option<NativeBudget>,
    /// How much the hub may hold in all.
    pub bytes: Option<f64>,
    /// What topics keep.
    pub history: Option<Vec<NativeHistory>>,
    /// How many topics may be counted by themselves.
    pub topic_counters: Option<f64>,
    /// Whether filters that cannot be indexed are refused.
    pub strict_filters: Option<bool>,
    /// What joins it with hubs elsewhere.
    pub redis: Option<NativeRedis>,
    /// Whether topics can be moved away from there.
    pub moving: Option<bool>,
}

impl NativeHubOptions {
    /// The hub, and what moves its topics if it was asked for.
    pub(crate) fn build(self) -> Result<(Hub, Option<Moving>)> {
        // Nobody pulls here but lanes; what a gateway or another language adds to the
        // same hub wakes itself.
        let mut builder = Hub::builder().waking(Waking::Thread);
        if let Some(name) = &self.overflow {
            builder = builder.overflow(overflow(name)?);
        }
        if let Some(budget) = &self.budget {
            builder = builder.budget(budget.whole()?);
        }
        if let Some(bytes) = self.bytes {
            builder = builder.bytes(bytes as u64);
        }
        for rule in self.history.iter().flatten() {
            builder = with_history(builder, rule)?;
        }
        if let Some(most) = self.topic_counters {
            builder = builder.topic_counters(most as usize);
        }
        if self.strict_filters == Some(true) {
            builder = builder.strict_filters();
        }
        let mut moving = None;
        if let Some(redis) = &self.redis {
            let redis = redis.build("new Hub(options): redis")?;
            builder = match self.moving {
                Some(true) => builder.backplane(moving.insert(Moving::on(redis)).clone()),
                _ => builder.backplane(redis),
            };
        }
        let hub = builder.build().map_err(|_| {
            error(
                Code::BadOption,
                "a hub with a budget of 0 bytes could hold no event: raise the option `bytes`",
            )
        })?;
        Ok((hub, moving))
    }
}

fn with_history(builder: HubBuilder, rule: &NativeHistory) -> Result<HubBuilder> {
    builder
        .history(&rule.topics, rule.keep.whole()?)
        .map_err(|cause| pattern_error(&rule.topics, cause.into()))
}

/// What gives way when a subscription does not keep up, by its name in JavaScript.
pub(crate) fn overflow(name: &str) -> Result<Overflow> {
    Ok(match name {
        "drop-oldest" => Overflow::DropOldest,
        "drop-newest" => Overflow::DropNewest,
        "disconnect" => Overflow::Disconnect,
        "keep-latest" => Overflow::KeepLatest,
        _ => {
            return Err(error(
                Code::BadOption,
                format_args!("there is no overflow policy {name:?}"),
            ));
        }
    })
}

/// A topic, and where in it to start.
#[napi(object, object_to_js = false)]
pub struct NativeFrom {
    /// None: the one topic that the selector names.
    pub topic: Option<String>,
    /// As an event prints it.
    pub position: String,
}

/// Settings of a subscription.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct NativeSubscribeOptions {
    /// One of the names of [`overflow`].
    pub overflow: Option<String>,
    /// How much may wait for it; the hub's where nothing is said.
    pub budget: Option<NativeBudget>,
    /// Where it starts.
    pub from: Option<Vec<NativeFrom>>,
}

impl NativeSubscribeOptions {
    pub(crate) fn options(&self) -> Result<SubscribeOptions> {
        let mut options = SubscribeOptions::new();
        if let Some(name) = &self.overflow {
            options = options.overflow(overflow(name)?);
        }
        if let Some(budget) = &self.budget {
            options = options.budget(budget.options());
        }
        if let Some(from) = &self.from {
            options = options.resume(resume(from)?);
        }
        Ok(options)
    }
}

fn resume(from: &[NativeFrom]) -> Result<Resume> {
    let mut resume = Resume::new();
    for NativeFrom { topic, position } in from {
        let position: Position = position
            .parse()
            .map_err(|cause| error(Code::BadPosition, cause))?;
        resume = match topic {
            None => Resume::at(position),
            Some(topic) => {
                let topic = Topic::new(topic).map_err(|cause| error(Code::BadTopic, cause))?;
                resume.topic(topic, position)
            }
        };
    }
    Ok(resume)
}

//! Settings as Python states them: seconds are floats, `None` is "not said".
//!
//! Python has checked names and types; what is checked here is what only the engine knows,
//! such as the bounds of a budget.

use std::time::Duration;

use distributary::{
    Budget, BudgetOptions, Hub, Overflow, Position, Resume, SubscribeOptions, Topic,
    redis::migration::Moving,
};
use pyo3::prelude::*;

use crate::{
    errors::{Kind, budget_error, error, pattern_error},
    redis::RedisSettings,
};

/// Events, bytes, and age in seconds.
pub(crate) type BudgetParts = (Option<usize>, Option<usize>, Option<f64>);

/// How much may wait, as far as it is said.
fn budget((events, bytes, age): BudgetParts) -> PyResult<BudgetOptions> {
    let age = age.map(|age| {
        Duration::try_from_secs_f64(age).map_err(|_| {
            error(
                Kind::Option,
                format_args!("an age of {age} seconds is none"),
            )
        })
    });
    Ok(BudgetOptions {
        events,
        bytes,
        age: age.transpose()?,
    })
}

/// How much may wait, or be kept: the engine's default where nothing is said.
fn whole_budget(parts: BudgetParts) -> PyResult<Budget> {
    budget(parts)?.over(Budget::default()).map_err(budget_error)
}

/// What gives way when a subscription does not keep up, by its name in Python.
pub(crate) fn overflow(name: &str) -> PyResult<Overflow> {
    Ok(match name {
        "drop_oldest" => Overflow::DropOldest,
        "drop_newest" => Overflow::DropNewest,
        "disconnect" => Overflow::Disconnect,
        "keep_latest" => Overflow::KeepLatest,
        _ => {
            return Err(error(
                Kind::Option,
                format_args!(
                    "there is no overflow policy {name:?}: take 'drop_oldest', 'drop_newest', 'disconnect' or 'keep_latest'"
                ),
            ));
        }
    })
}

/// Settings of a hub.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct HubSettings {
    overflow: String,
    budget: BudgetParts,
    memory: Option<u64>,
    history: Vec<(String, BudgetParts)>,
    topic_counters: Option<usize>,
    strict_filters: bool,
    redis: Option<RedisSettings>,
    moving: bool,
}

impl HubSettings {
    /// The hub, and what moves its topics if it was asked for.
    pub(crate) fn build(&self) -> PyResult<(Hub, Option<Moving>)> {
        let mut builder = Hub::builder().overflow(overflow(&self.overflow)?);
        builder = builder.budget(whole_budget(self.budget)?);
        if let Some(memory) = self.memory {
            builder = builder.bytes(memory);
        }
        for (topics, keep) in &self.history {
            let keep = whole_budget(*keep)?;
            builder = builder
                .history(topics, keep)
                .map_err(|cause| pattern_error(topics, cause.into()))?;
        }
        if let Some(most) = self.topic_counters {
            builder = builder.topic_counters(most);
        }
        if self.strict_filters {
            builder = builder.strict_filters();
        }
        let mut moving = None;
        if let Some(redis) = &self.redis {
            let redis = redis.build()?;
            builder = match self.moving {
                true => builder.backplane(moving.insert(Moving::on(redis)).clone()),
                false => builder.backplane(redis),
            };
        }
        let hub = builder.build().map_err(|_| {
            error(
                Kind::Option,
                "memory: a hub that may hold 0 bytes could hold no event",
            )
        })?;
        Ok((hub, moving))
    }
}

/// Settings of a subscription.
pub(crate) fn subscribe_options(
    policy: Option<&str>,
    parts: BudgetParts,
    from: Option<Vec<(Option<String>, String)>>,
) -> PyResult<SubscribeOptions> {
    let mut options = SubscribeOptions::new().budget(budget(parts)?);
    if let Some(name) = policy {
        options = options.overflow(overflow(name)?);
    }
    if let Some(from) = from {
        options = options.resume(resume(from)?);
    }
    Ok(options)
}

fn resume(from: Vec<(Option<String>, String)>) -> PyResult<Resume> {
    let mut resume = Resume::new();
    for (topic, position) in from {
        let position: Position = position
            .parse()
            .map_err(|cause| error(Kind::Position, cause))?;
        resume = match topic {
            None => Resume::at(position),
            Some(topic) => {
                let topic = Topic::new(topic).map_err(|cause| error(Kind::Topic, cause))?;
                resume.topic(topic, position)
            }
        };
    }
    Ok(resume)
}

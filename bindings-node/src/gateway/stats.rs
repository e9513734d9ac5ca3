//! A gateway's counters, as a JavaScript object. Times are milliseconds.

use std::time::Duration;

use distributary::{DurationHistogram, ShareHistogram, gateway::GatewayStats};
use napi::{Env, Result, bindgen_prelude::Object};

pub(super) fn object<'env>(env: &'env Env, stats: &GatewayStats) -> Result<Object<'env>> {
    let mut object = Object::new(env)?;
    let counters = [
        ("open", stats.open),
        ("stalled", stats.stalled),
        ("closing", stats.closing),
        ("opened", stats.opened),
        ("bytesWritten", stats.bytes_written),
        ("writes", stats.writes),
        ("framesMade", stats.frames_made),
        ("messagesRead", stats.messages_read),
        ("lagTold", stats.lag_told),
        ("closedWrites", stats.closed_writes),
        ("accepted", stats.accepted),
        ("acceptErrors", stats.accept_errors),
        ("handshaking", stats.handshaking),
        ("returned", stats.returned),
        ("unanswered", stats.unanswered),
    ];
    for (name, count) in counters {
        object.set(name, count as f64)?;
    }
    object.set("share", shares(env, &stats.share)?)?;
    object.set("readWait", durations(env, &stats.read_wait)?)?;
    object.set("commandWait", durations(env, &stats.command_wait)?)?;
    let ended = stats.ended().map(|(why, count)| (why.name(), count));
    object.set("ended", counts(env, ended)?)?;
    let refused = stats.refused().map(|(why, count)| (why.name(), count));
    object.set("refused", counts(env, refused)?)?;
    Ok(object)
}

fn counts(env: &Env, counts: impl Iterator<Item = (&'static str, u64)>) -> Result<Object<'_>> {
    let mut object = Object::new(env)?;
    for (name, count) in counts {
        object.set(name, count as f64)?;
    }
    Ok(object)
}

fn durations<'env>(env: &'env Env, histogram: &DurationHistogram) -> Result<Object<'env>> {
    let millis = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    let mut object = Object::new(env)?;
    object.set("count", histogram.count() as f64)?;
    object.set("sum", millis(histogram.sum()))?;
    object.set("max", millis(histogram.max()))?;
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
        object.set(name, millis(histogram.quantile(share)))?;
    }
    Ok(object)
}

fn shares<'env>(env: &'env Env, histogram: &ShareHistogram) -> Result<Object<'env>> {
    let mut object = Object::new(env)?;
    let count: u64 = histogram.buckets().map(|(_, count)| count).sum();
    object.set("count", count as f64)?;
    object.set("last", histogram.last())?;
    object.set("max", histogram.max())?;
    object.set("sum", histogram.sum())?;
    Ok(object)
}

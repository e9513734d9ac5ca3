//! A gateway's counters, as a JavaScript object. Times are milliseconds.

use distributary::gateway::GatewayStats;
use napi::{Env, Result, bindgen_prelude::Object};

use crate::stats::{NativeDurations, NativeShares};

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
    object.set("share", NativeShares::from(&stats.share))?;
    object.set("readWait", NativeDurations::from(&stats.read_wait))?;
    object.set("commandWait", NativeDurations::from(&stats.command_wait))?;
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

//! Hubs of ours, in processes of their own.

use std::{
    io::{self, BufRead},
    time::{Duration, Instant},
};

use distributary::{Executor, Hub, Item, redis::Redis};
use distributary_bench_report::Outcome;

/// How long a hub may take to hear what it asked for.
const PATIENCE: Duration = Duration::from_secs(60);
/// What every member of a fleet listens to, and how much else.
pub(crate) const COMMON: &str = "storm:all";
pub(crate) const CHANNELS: u64 = 20;

/// A hub on this server.
pub(crate) fn on(url: &str) -> Outcome<Hub> {
    Ok(Hub::builder().backplane(Redis::at(url)?.build()?).build()?)
}

pub(crate) fn until_joined(hub: &Hub) -> Outcome<()> {
    match hub.joined().wait(Instant::now() + PATIENCE) {
        true => Ok(()),
        false => Err(format!("not joined after {PATIENCE:?}: {:?}", hub.health()).into()),
    }
}

/// So many hubs in one process, each listening to the topic of its number, until the
/// process is ended.
pub(crate) fn crowd(url: &str, first: &str, count: &str) -> Outcome<()> {
    let (first, count): (u64, u64) = (first.parse()?, count.parse()?);
    let mut hubs = Vec::new();
    for number in first..first + count {
        let hub = on(url)?;
        let listening = hub.subscribe(&*format!("topic:{number}"))?;
        hubs.push((hub, listening));
    }
    for (hub, _) in &hubs {
        until_joined(hub)?;
    }
    println!("ready");
    io::stdin().lock().lines().for_each(drop);
    Ok(())
}

/// One hub that listens to so many topics with names so long. Each line asks whether all
/// are joined, and is answered once they are.
pub(crate) fn listener(url: &str, topics: &str, length: &str) -> Outcome<()> {
    let (topics, length): (u64, usize) = (topics.parse()?, length.parse()?);
    let hub = on(url)?;
    let names = (0..topics).map(|number| format!("{number:0>length$}"));
    let _listening: Vec<_> = names
        .map(|name| hub.subscribe(&*name))
        .collect::<Result<_, _>>()?;
    until_joined(&hub)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        line?;
        until_joined(&hub)?;
        println!("ready");
    }
    Ok(())
}

/// One hub of a fleet. Each line asks for the attempts to connect that it has made so far.
pub(crate) fn member(url: &str, number: &str) -> Outcome<()> {
    let hub = on(url)?;
    let executor = Executor::new(&hub, 1)?;
    let mut listeners = Vec::new();
    for channel in 0..CHANNELS {
        listeners.push(executor.on(&*format!("storm:{number}:{channel}"), |_| ())?);
    }
    listeners.push(executor.on(COMMON, |item| {
        if let Item::Event(event) = item {
            println!("heard {}", String::from_utf8_lossy(event.payload()));
        }
    })?);
    until_joined(&hub)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        line?;
        println!("attempts {}", hub.health().counts.attempts);
    }
    Ok(())
}

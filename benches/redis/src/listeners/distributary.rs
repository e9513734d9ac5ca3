//! Ours: a hub, its backplane, and a callback.

use std::{thread, time::Duration};

use distributary::{Budget, Executor, Item, SubscribeOptions};
use distributary_bench_report::Outcome;

use super::Ear;
use crate::hub;

/// Messages that may wait: more than a round has.
const ROOM: usize = 1 << 19;

pub(super) fn run(url: &str, channel: &str) -> Outcome<()> {
    let hub = hub::on(url)?;
    let executor = Executor::new(&hub, 1)?;
    let room = Budget::default().events(ROOM)?.bytes(1 << 30)?;
    let mut ear = Ear::default();
    let options = SubscribeOptions::new().budget(room);
    let _listener = executor.on_with(channel, options, move |item| {
        if let Item::Event(event) = item {
            ear.hear(event.payload());
        }
    })?;
    hub::until_joined(&hub)?;
    println!("ready");
    loop {
        thread::sleep(Duration::MAX);
    }
}

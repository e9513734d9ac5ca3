//! Ours: the gateway through its public API, with one thread that owns sockets, because
//! it has one core.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Budget, Hub, Selector,
    gateway::{Accept, Gateway, Limits, Reject, Request},
};
use tokio::runtime;

use super::{
    audience::Audience,
    orders::{self, Orders, payload},
};
use crate::{
    Outcome,
    wire::{ALL, JSON_PROTOCOL, PROBE},
};

/// Longer than any bench: clients here do not speak while nothing happens.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Topics of the reconnect storm, beside the one that everybody follows: few enough that
/// each has had an event when everybody is cut off.
pub(crate) const GROUPS: usize = 40;
/// Of so many events of the storm one goes to everybody.
const TO_ALL: usize = 10;

pub(super) fn run() -> Outcome<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve())
}

async fn serve() -> Outcome<()> {
    let hub = Hub::builder()
        .history("storm.*", Budget::default())?
        .build()?;
    let audience = Arc::new(Audience::default());
    let (joining, leaving) = (Arc::clone(&audience), Arc::clone(&audience));
    let gateway = Gateway::builder(&hub)
        .authorize(async |request| accept(&request))
        .on_open(move |client| {
            if *client.session() {
                joining.join();
            }
        })
        .on_end(move |client, _| {
            if *client.session() {
                leaving.leave();
            }
        })
        .address("127.0.0.1:0")?
        .limits(Limits::default().lanes(1).ping(PATIENCE, PATIENCE))
        .start()
        .await?;
    let control = orders::take(Publisher(hub), audience)?;
    let address = gateway.address().ok_or("the gateway listens nowhere")?;
    println!("ready {} {control}", address.port());
    std::future::pending().await
}

/// The path is the topic. Who speaks the JSON protocol subscribes by itself. The session
/// is whether a client is one of those that are counted.
fn accept(request: &Request) -> Result<Accept<bool>, Reject> {
    if request.protocols().any(|name| name == JSON_PROTOCOL) {
        let all = "*".try_into().map_err(|_| Reject::forbidden())?;
        return Ok(Accept::new(false).allow(all));
    }
    match request.path().trim_start_matches('/') {
        PROBE => Ok(Accept::new(false)),
        topic => {
            let selector = Selector::topic(topic).map_err(|_| Reject::forbidden())?;
            Ok(Accept::new(true).subscribe(selector))
        }
    }
}

struct Publisher(Hub);

impl Orders for Publisher {
    fn publish(&self, bytes: usize) {
        if let Err(error) = self.0.publish(ALL, payload(bytes)) {
            eprintln!("not published: {error}");
        }
    }

    fn other(&self, words: &[&str]) -> Outcome<String> {
        match words {
            ["storm", events, per_second] => {
                self.storm(events.parse()?, per_second.parse()?)?;
                Ok("published".to_owned())
            }
            _ => Err(format!("what is {words:?}?").into()),
        }
    }
}

impl Publisher {
    fn storm(&self, events: usize, per_second: u32) -> Outcome<()> {
        let started = Instant::now();
        for number in 0..events {
            let due = started + Duration::from_secs(1) / per_second * number as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (topic, n) = storm_event(number);
            self.0.publish(topic, format!("{{\"n\":{n}}}"))?;
        }
        Ok(())
    }
}

/// The topic of an event of the storm, and which of that topic's events it is.
pub(crate) fn storm_event(number: usize) -> (String, usize) {
    if number.is_multiple_of(TO_ALL) {
        return (storm_topic(None), number / TO_ALL);
    }
    let other = number - number / TO_ALL - 1;
    (storm_topic(Some(other % GROUPS)), other / GROUPS)
}

/// The topic of a group, or of everybody.
pub(crate) fn storm_topic(group: Option<usize>) -> String {
    group.map_or("storm.all".to_owned(), |group| format!("storm.{group}"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_topic_of_the_storm_counts_from_zero_without_a_gap() {
        let mut next: HashMap<String, usize> = HashMap::new();
        for number in 0..5_000 {
            let (topic, n) = storm_event(number);
            let next = next.entry(topic).or_default();
            assert_eq!(n, *next);
            *next += 1;
        }
        assert_eq!(next.len(), GROUPS + 1);
        assert_eq!(next[&storm_topic(None)], 500);
    }
}

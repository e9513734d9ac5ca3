//! Slow consumers: four subscriptions that do not read while ten prices go out, each
//! with another policy. Who gets what, and who is told what.
//!
//! ```text
//! cargo run --example slow_consumers
//! ```
//!
//! The publisher never waits for any of them, and a subscriber that reads gets all
//! ten whatever the others do.

#[macro_use]
mod pipe;

use std::error::Error;

use distributary::{
    Budget, Hub, Overflow, Publication, SubscribeOptions, Subscription, TryRecvError,
};

/// Events that may wait for each of them.
const ROOM: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let hub = Hub::new();
    let policies = [
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::Disconnect,
        Overflow::KeepLatest,
    ];
    let budget = Budget::default().events(ROOM)?;
    let mut slow = Vec::new();
    for policy in policies {
        let options = SubscribeOptions::new().overflow(policy).budget(budget);
        slow.push((policy, hub.subscribe_with("prices", options)?));
    }
    let mut keen = hub.subscribe("prices")?;

    print!("published:     ");
    let mut seen = Vec::new();
    for number in 1..=10 {
        // Three symbols take turns; the symbol is the conflation key.
        let symbol = ["A", "B", "C"][number % 3];
        let text = format!("{symbol}{number}");
        print!(" {text}");
        hub.publish_event(Publication::new("prices", text).key(symbol))?;
        while let Ok(event) = keen.try_recv() {
            seen.push(String::from_utf8_lossy(event.payload()).into_owned());
        }
    }
    println!("\nread at once:   {}\n", seen.join(" "));

    println!("read at last, with room for {ROOM}:");
    for (policy, subscription) in &mut slow {
        println!(
            "{:<14}  {}",
            format!("{policy:?}"),
            told(subscription).join(" ")
        );
    }

    let stats = hub.stats();
    println!("\ndropped, the oldest  {:>3}", stats.dropped_oldest);
    println!("dropped, the newest  {:>3}", stats.dropped_newest);
    println!("replaced by newer    {:>3}", stats.conflated);
    println!("told as missed       {:>3}", stats.missed);
    println!("closed as too slow   {:>3}", stats.slow_closed);
    Ok(())
}

/// Everything a subscription has to say now.
fn told(subscription: &mut Subscription) -> Vec<String> {
    let mut said = Vec::new();
    loop {
        match subscription.try_recv() {
            Ok(event) => said.push(String::from_utf8_lossy(event.payload()).into_owned()),
            Err(TryRecvError::Lagged { missed }) => said.push(format!("[missed {missed}]")),
            Err(TryRecvError::Empty) => return said,
            Err(end) => {
                said.push(format!("[closed: {end}]"));
                return said;
            }
        }
    }
}

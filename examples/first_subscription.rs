//! A first subscription: two tasks follow a topic, and one of them also a pattern.
//!
//! ```text
//! cargo run --example first_subscription
//! ```
//!
//! The hub needs no runtime; this example brings tokio because tasks are the usual
//! place to wait in. [`Subscription`] is a `Stream` too, and threads wait with
//! `recv_deadline`.

#[macro_use]
mod pipe;

use std::error::Error;

use distributary::{Hub, RecvError, Selector, Subscription};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let hub = Hub::new();

    // In force from here on: whatever is published later is delivered.
    let kitchen = hub.subscribe("orders.eu")?;
    // Everything about orders, wherever, and the notices to all.
    let audit = hub.subscribe(Selector::pattern("orders.*")?.and_topic("notices")?)?;
    let kitchen = tokio::spawn(follow("kitchen", kitchen));
    let audit = tokio::spawn(follow("audit", audit));

    for (topic, payload) in [
        ("orders.eu", r#"{"id": 1, "dish": "soup"}"#),
        ("orders.us", r#"{"id": 2, "dish": "pie"}"#),
        ("notices", "closing at ten"),
        ("weather", "nobody asked"),
        ("orders.eu", r#"{"id": 3, "dish": "tea"}"#),
    ] {
        let delivery = hub.publish(topic, payload)?;
        println!(
            "published to {topic:<9}  reached {} of {} subscriptions",
            delivery.subscriptions,
            hub.stats().subscriptions,
        );
    }

    // Subscriptions still get what waits for them, and then the end.
    hub.close();
    let (kitchen, audit) = (kitchen.await?, audit.await?);
    println!("kitchen got {kitchen} events, audit {audit}");
    Ok(())
}

/// Prints what comes until nothing more will. How many events came.
async fn follow(name: &str, mut subscription: Subscription) -> usize {
    let mut events = 0;
    loop {
        match subscription.recv().await {
            Ok(event) => {
                events += 1;
                let text = String::from_utf8_lossy(event.payload());
                println!("{name:>8} <- {:<9}  {text}", event.topic());
            }
            // It fell too far behind; the next event is the first that is still there.
            Err(RecvError::Lagged { missed }) => println!("{name:>8} missed {missed}"),
            Err(RecvError::Closed(reason)) => {
                println!("{name:>8} is done: {reason}");
                return events;
            }
        }
    }
}

//! Resume: a client that comes back gets exactly what it missed, and one that cannot
//! is told so instead of being left with a gap.
//!
//! ```text
//! cargo run --example resume
//! ```
//!
//! A position prints as short text and parses back, made for the `id:` field of
//! server-sent events or for a query parameter.

#[macro_use]
mod pipe;

use std::error::Error;

use distributary::{
    Budget, Hub, Position, Resume, ResumeErrorKind, SubscribeError, Subscription, TryRecvError,
};

const TOPIC: &str = "chat.7";

fn main() -> Result<(), Box<dyn Error>> {
    let hub = start()?;
    let mut client = hub.subscribe(TOPIC)?;
    say(&hub, &["hello", "who is there?"])?;
    println!("a client reads:");
    let last = read(&mut client)?.ok_or("two messages were sent")?;
    // What it remembers is text; the connection drops.
    let remembered = last.to_string();
    drop(client);

    say(&hub, &["me", "and me", "me too"])?;
    println!("\nit comes back, having seen everything up to {remembered}:");
    let position: Position = remembered.parse()?;
    let mut client = hub.subscribe_from(TOPIC, Resume::at(position))?;
    say(&hub, &["welcome back"])?;
    read(&mut client)?;

    println!("\nanother one stays away for longer than history reaches:");
    say(&hub, &["one", "two", "three", "four", "five", "six"])?;
    refused(&hub, position)?;

    println!("\nand one comes back after the server was started anew:");
    let hub = start()?;
    say(&hub, &["first words"])?;
    refused(&hub, position)
}

/// A server whose chats keep their last five messages.
fn start() -> Result<Hub, Box<dyn Error>> {
    let keep = Budget::default().events(5)?;
    Ok(Hub::builder().history("chat.*", keep)?.build()?)
}

fn say(hub: &Hub, texts: &[&'static str]) -> Result<(), Box<dyn Error>> {
    for text in texts {
        hub.publish(TOPIC, *text)?;
    }
    Ok(())
}

/// Reads what there is. The position of the last event.
fn read(client: &mut Subscription) -> Result<Option<Position>, Box<dyn Error>> {
    let mut last = None;
    loop {
        match client.try_recv() {
            Ok(event) => {
                let text = String::from_utf8_lossy(event.payload());
                println!("  {}  {text}", event.position());
                last = Some(event.position());
            }
            Err(TryRecvError::Empty) => return Ok(last),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Asks to go on after a position that cannot be had, and starts anew.
fn refused(hub: &Hub, position: Position) -> Result<(), Box<dyn Error>> {
    match hub.subscribe_from(TOPIC, Resume::at(position)) {
        Err(SubscribeError::Resume(error)) => {
            println!("  {error}");
            let why = match error.kind() {
                ResumeErrorKind::TooOld { .. } => "the gap is too long",
                ResumeErrorKind::OtherEpoch { .. } => "another server counted",
                _ => "it cannot be had",
            };
            // What an application loads from its database, and goes on from there.
            let fresh = hub.subscribe(TOPIC)?;
            println!(
                "  so, as {why}: load the chat, subscribe anew (lag {})",
                fresh.lag()
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("a position that cannot be had was resumed from".into()),
    }
}

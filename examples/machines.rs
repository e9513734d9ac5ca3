//! Several processes, one hub: start it in two terminals and type lines in either.
//!
//! ```text
//! cargo run --example machines --features redis -- redis://127.0.0.1
//! ```
//!
//! Lines go to the topic `room.lobby`, which keeps a log. Stop the server for a while,
//! type, start it again: both get every line once and in order, and whoever typed it is
//! told what has become of it.

#[macro_use]
mod pipe;

use std::{
    env,
    error::Error,
    io::{self, BufRead},
    process::ExitCode,
    time::Duration,
};

use distributary::{
    Hub, Publication, RecvError, Subscription,
    backplane::Receipt,
    redis::{Mode, Redis},
};
use tokio::runtime::Handle;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).unwrap_or("redis://127.0.0.1".into());
    let redis = Redis::at(url)?
        // The same rules in every process.
        .mode("room.*", Mode::Replay)?
        // What is typed while the server is away waits for a minute.
        .queue_bytes(1024 * 1024)
        .queue_deadline(Duration::from_secs(60))
        .build()?;
    let hub = Hub::builder().backplane(redis).build()?;

    let lobby = tokio::spawn(listen(hub.subscribe("room.lobby")?));
    tokio::spawn(watch(hub.clone()));

    let (typing, runtime) = (hub.clone(), Handle::current());
    let typed = tokio::task::spawn_blocking(move || type_into(&typing, &runtime));
    typed.await??;
    let closing = hub.close();
    lobby.await?;
    // What is queued goes out first.
    closing.await;
    Ok(())
}

/// Every line of the room, whoever typed it.
async fn listen(mut lobby: Subscription) {
    loop {
        match lobby.recv().await {
            Ok(event) => println!("{}", String::from_utf8_lossy(event.payload())),
            // The log does not reach back so far.
            Err(RecvError::Lagged { missed }) => println!("-- {missed} lines are missing"),
            Err(RecvError::Closed(_)) => return,
        }
    }
}

/// Says when something is not as it should be, and when it is again.
async fn watch(hub: Hub) {
    let mut changes = hub.health_changes();
    while let Some(health) = changes.next().await {
        println!("-- {}", health.condition);
        for reason in &health.reasons {
            println!("-- {reason}");
        }
    }
}

fn type_into(hub: &Hub, runtime: &Handle) -> Result<(), io::Error> {
    let mut last = None;
    for line in io::stdin().lock().lines() {
        let event = Publication::new("room.lobby", line?);
        match hub.publish_acknowledged(event) {
            Ok(receipt) => last = Some(runtime.spawn(tell(receipt))),
            Err(error) => println!("-- {error}"),
        }
    }
    // The last is answered last.
    last.map_or(Ok(()), |last| Ok(runtime.block_on(last)?))
}

async fn tell(receipt: Receipt) {
    match receipt.await {
        Ok(kept) => println!("-- number {} of the log", kept.number.unwrap_or_default()),
        Err(error) => println!("-- {error}"),
    }
}

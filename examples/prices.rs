//! Prices over Server-Sent Events: whoever cannot keep up sees the latest price of each
//! symbol, and never a backlog.
//!
//! ```text
//! cargo run --release --example prices --features gateway
//! curl -N http://127.0.0.1:4010/prices
//! curl -N 'http://127.0.0.1:4010/prices?symbols=AKO,BEX'
//! curl -N --limit-rate 20k http://127.0.0.1:4010/prices   # a slow one
//! ```
//!
//! A price is published with its symbol as the key, and clients are subscribed with
//! [`Overflow::KeepLatest`]: a newer price takes the place of an older one of the same
//! symbol that has not been sent yet. So at most one price per symbol waits, however
//! slow a client is; all slow clients share those. `number` counts the prices of a
//! symbol: at the slow client it jumps, after the seconds that it takes to fill what
//! the system holds for a socket.

mod arguments;
#[macro_use]
mod pipe;

use std::{convert::Infallible, error::Error, process::ExitCode, time::Duration};

use distributary::{
    Budget, Hub, Overflow, Publication, Selector, SelectorError, SubscribeOptions, field,
    gateway::{Accept, Gateway, Limits, Reject, Request},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::interval,
};

const USAGE: &str = "\
Prices over Server-Sent Events.

Usage: prices [--address A] [--rate N]

  --address A   where clients connect (default 127.0.0.1:4010; port 0 is any)
  --rate N      prices in a second, of all symbols together (default 1000)
  --help        this text
";

const TOPIC: &str = "prices";

const SYMBOLS: [&str; 20] = [
    "AKO", "BEX", "CUR", "DAL", "EMI", "FON", "GRA", "HUL", "IVO", "JAS", "KET", "LUM", "MIR",
    "NOR", "ORB", "PAX", "QUO", "RHO", "SOL", "TAN",
];

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let options = [("--address", "127.0.0.1:4010"), ("--rate", "1000")];
    let [address, rate] = arguments::parse(USAGE, options);
    let rate: u32 = arguments::read(USAGE, "--rate", &rate, "a whole number");
    match run(&address, rate.clamp(1, 1_000_000)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prices: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(address: &str, rate: u32) -> Result<(), Failure> {
    let hub = Hub::new();
    let gateway = Gateway::builder(&hub)
        .authorize(async |request: Request| {
            let symbols = request.query_value("symbols");
            let selector = selector(symbols.as_deref()).map_err(|error| {
                let refusal = Reject::bad_request();
                refusal.body(format!("{error}\n"))
            })?;
            let budget = Budget::default().events(SYMBOLS.len());
            let options = SubscribeOptions::new()
                .overflow(Overflow::KeepLatest)
                .budget(budget.expect("there are symbols"));
            Ok(Accept::new(()).subscribe_with(selector, options))
        })
        // What the system has taken for a socket can no longer be replaced by something
        // newer, so it gets little in advance.
        .limits(Limits::default().unsent(4 << 10))
        .path("/prices")
        .address(address)?
        .start()
        .await?;
    if let Some(address) = gateway.address() {
        println!(
            "\
listening on {address}

  curl -N http://{address}/prices
  curl -N 'http://{address}/prices?symbols=AKO,BEX'
  curl -N --limit-rate 20k http://{address}/prices   # a slow one
"
        );
    }

    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        failed = trade(&hub, rate) => match failed {
            Ok(never) => match never {},
            Err(error) => return Err(error),
        },
        _ = report(&hub, &gateway) => {}
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    gateway.close().await;
    Ok(())
}

/// All prices, or those of some symbols.
fn selector(symbols: Option<&str>) -> Result<Selector, SelectorError> {
    let all = Selector::topic(TOPIC)?;
    match symbols {
        None => Ok(all),
        Some(symbols) => Ok(all.filter(field("symbol").one_of(symbols.split(',')).compile()?)),
    }
}

/// Lets prices move at random, so many in a second.
async fn trade(hub: &Hub, rate: u32) -> Result<Infallible, Failure> {
    const TICKS: u32 = 50;
    let mut clock = interval(Duration::from_secs(1) / TICKS);
    let mut cents = [10_000_i64; SYMBOLS.len()];
    let mut numbers = [0_u64; SYMBOLS.len()];
    let (mut random, mut due) = (1_u32, 0);
    loop {
        clock.tick().await;
        due += rate;
        while due >= TICKS {
            due -= TICKS;
            // A generator by Numerical Recipes; the upper bits are the good ones.
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (random >> 16) as usize % SYMBOLS.len();
            cents[at] = (cents[at] + i64::from(random >> 8 & 63) - 31).max(100);
            numbers[at] += 1;
            let (symbol, number) = (SYMBOLS[at], numbers[at]);
            let (whole, part) = (cents[at] / 100, cents[at] % 100);
            let price =
                format!(r#"{{"symbol":"{symbol}","price":"{whole}.{part:02}","number":{number}}}"#);
            let price = Publication::new(TOPIC, price).key(symbol);
            hub.publish_event(price.attribute("symbol", symbol))?;
        }
    }
}

/// Says every second what became of the prices.
async fn report(hub: &Hub, gateway: &Gateway) -> Infallible {
    let mut clock = interval(Duration::from_secs(1));
    loop {
        clock.tick().await;
        let (engine, sockets) = (hub.stats(), gateway.stats());
        println!(
            "published {:>8}   replaced by newer {:>8}   clients {:>3}, stalled {:>3}",
            engine.published, engine.conflated, sockets.open, sockets.stalled
        );
    }
}

//! A hub on Redis that is told what to do on standard input, a JSON object a line: for
//! trying the backplane from outside, and for hurting it.
//!
//! ```text
//! redis-server --port 6399 --save '' &
//! FAULT_TARGET='{"kind":"single","url":"redis://127.0.0.1:6399"}' FAULT_MODE=replay \
//!     cargo run --release --example backplane --features redis
//! {"id":1,"op":"subscribe","channels":["news"]}
//! {"id":2,"op":"publish","channel":"news","payload":"hello"}
//! ```
//!
//! # In
//!
//! | `op` | does | fields |
//! |---|---|---|
//! | `subscribe` | listens; answered once that is in force at the servers | `channels`, or `prefix`, `from`, `count` for `prefix` + number |
//! | `unsubscribe` | ends that | the same |
//! | `publish` | publishes; answered with the outcome: `heard`, `number` | `channel`, `payload` (a text; other JSON is sent as its text) |
//! | `flood` | publishes `{"i":n,"t":epoch_seconds,"p":"xx…"}` at a rate; answered once every outcome is known | `channel`, `rate`, `seconds`, `size` (of `p`), `start` (the first `n`) |
//! | `stats` | answers with what was counted | |
//! | `health` | answers with the state and its reasons | |
//! | `migrate` | moves a channel to another name, one stage further or back: `old`, `dual_read`, `new_write`, `cleanup`; refused while somebody would lose something by it | `channel`, `stage`, `to` (the other name), `force` |
//! | `stall` | this process' subscriber takes nothing for so long | `ms` |
//!
//! # Out
//!
//! - `{"re":id,"ok":true,…}` or `{"re":id,"ok":false,"error":"…"}`, one for each line. A
//!   flood's has `sent`, `acked`, `zero` (acknowledged, and nobody elsewhere heard it),
//!   `failed`, `end` (the `n` after the last), `acked_ranges` (`[first,last]` each), and
//!   `errors` (a number for each kind).
//! - `M <channel> <payload>`, a message. What does not fit such a line (a channel with a
//!   blank, a payload with a line break) comes as `{"ev":"message","channel":…,"payload":…}`.
//! - `{"ev":"health","state":"degraded"|"ok","reason":…}` when that changes.
//! - `{"ev":"gap","channel":…,"from":…,"to":…,"missed":…}`: messages that will not come. The
//!   numbers count what was sent to this listener since it subscribed, from 1. After a break
//!   in `classic` and `sharded` nobody can know how many there were: one stands for them.
//!
//! The end of the input ends it: what is under way is given two seconds, and is answered
//! as failed if that is not enough.
//!
//! # Environment
//!
//! - `FAULT_TARGET`: `{"kind":"single","url":…}`, `{"kind":"sentinel","sentinels":[…],"name":…}`
//!   or `{"kind":"cluster","nodes":[…]}`; servers are URLs or `host:port`.
//! - `FAULT_MODE`: `classic` (live), `sharded` (live, by shard channels where there is a
//!   cluster), `replay` or `durable`.
//! - `FAULT_OPTS`: a JSON object of [options](settings::Options).
//! - `FAULT_ECHO`: `0` or `false` keeps this process' own publishes from being printed.

mod commands;
mod flood;
mod listening;
mod moves;
mod own;
mod printer;
mod settings;

use std::{
    error::Error,
    io::{self, BufRead},
    process::ExitCode,
    time::Duration,
};

use commands::Desk;
use printer::Printer;
use settings::Settings;

/// Whatever ends a command, in words.
type Failure = Box<dyn Error + Send + Sync>;

/// For what is under way when the input ends.
const FAREWELL: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Failure> {
    let settings = Settings::from_environment(|name| std::env::var(name).ok())?;
    let printer = Printer::start()?;
    let desk = Desk::open(settings, printer.clone())?;
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            desk.take(&line);
        }
        line.clear();
    }
    desk.close(FAREWELL);
    printer.finish(FAREWELL);
    Ok(())
}

//! The main job, on real formats: one account that everybody follows posts, while
//! thousands leave and join; first inside one process, then to real sockets, whose
//! clients a second process holds.
//!
//! ```text
//! cargo run --release --example demo --features gateway
//! cargo run --release --example demo --features gateway -- --events mine.jsonl --subscriptions 20000 --seed 7
//! ```
//!
//! It measures and checks itself: what should have been delivered is worked out
//! without the hub and compared with what the sinks counted. Progress goes to standard
//! error, the report to standard output.

mod checks;
mod churn;
mod crowd;
mod events;
mod filters;
mod lanes;
mod latency;
mod memory;
mod options;
mod progress;
mod report;
mod rng;
mod sockets;
mod stages;
mod text;

use std::{
    error::Error,
    io::{self, ErrorKind, Write},
    path::Path,
    process::ExitCode,
};

use distributary::{Budget, Hub};

use checks::Evidence;
use crowd::Crowd;
use events::Entry;
use filters::Source;
use lanes::{LANES, Lanes};
use memory::Resident;
use options::{Options, Request, USAGE};
use progress::Progress;
use report::Measured;
use rng::Rng;
use stages::Stages;
use text::count;

/// Whatever ends a run early; it may come from another thread.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let options = match Request::parse(std::env::args().skip(1)) {
        Ok(Request::Run(options)) => options,
        Ok(Request::HoldClients) => return sockets::clients::run(),
        Ok(Request::Help) => return print(USAGE, ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("demo: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let entries = match events::load(&options.events) {
        Ok(entries) => entries,
        Err(error) => {
            eprintln!("demo: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options, &entries) {
        Ok(measured) => {
            let code = match measured.is_well() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            };
            print(&measured.text(), code)
        }
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a text to standard output. A reader that has seen enough is no error.
fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("demo: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
        _ => code,
    }
}

fn run(options: &Options, entries: &[Entry]) -> Result<Measured, Failure> {
    let mut progress = Progress::new();
    let mut rng = Rng::new(options.seed);
    let followed = events::followed(entries).ok_or("there are no events")?;
    let payload = events::largest(entries, &followed).ok_or("there are no events")?;
    let source = Source::new(entries)?;
    let crowd = Crowd::draw(entries, &followed, options.subscriptions, &source, &mut rng)?;
    drop(source);
    let (events, file) = (count(entries.len() as u64), name(&options.events));
    progress.done(&format!(
        "load     {events} events of {file}, seed {}",
        options.seed
    ));

    let before = Resident::read();
    // Room for the whole stream in every feed: the publisher does not wait for anybody,
    // and with the file that comes along nobody has to miss anything.
    let hub = Hub::builder()
        .budget(Budget::default().events(4_096)?)
        .build()?;
    let followers = crowd.followers;
    let everybody = crowd.members.len();
    let lanes = Lanes::start(&hub, everybody + 2 * (followers / 5))?;
    let mut stages = Stages {
        hub: &hub,
        lanes: &lanes,
        crowd: &crowd,
        progress: &mut progress,
        rng: &mut rng,
    };
    let (mut seats, join) = stages.join()?;
    let subscribed = Resident::read();
    let streamed = stages.stream(entries)?;
    seats.truncate(followers);
    let idle = stages.idle(&mut seats, everybody)?;
    seats.extend(idle.churned.joined.iter().map(|joined| joined.seat));
    let next = everybody + idle.churned.joined.len();
    let busy = stages.busy(&mut seats, next, &followed, &payload)?;

    let stats = hub.stats();
    let end = Resident::read();
    let books = lanes.stop()?;
    progress.step(|| "check    what should have been delivered".to_owned());
    let evidence = Evidence {
        entries,
        crowd: &crowd,
        books: &books,
        stats: &stats,
        reached: streamed.reached,
        stayed: &seats,
        joined: &busy.churned.joined,
        large: busy.large.times.len() as u64,
    };
    let mut checks = evidence.examine(&mut rng)?;
    progress.done("check    what should have been delivered");
    let sockets = match options.sockets {
        0 => None,
        wanted => Some(sockets::run(entries, &followed, wanted, &mut progress)?),
    };
    if let Some(sockets) = &sockets {
        checks.extend(sockets.checks());
    }
    progress.done("done\n");

    Ok(Measured {
        title: format!(
            "{events} events of {file}, {} subscriptions on {LANES} lanes",
            count(everybody as u64)
        ),
        followed: followed.to_string(),
        large_bytes: payload.len() as u64,
        subscriptions: everybody as u64,
        kinds: [followers, crowd.plain, crowd.filtered],
        join,
        streamed,
        idle,
        busy,
        stats,
        books,
        memory: [before, subscribed, end],
        sockets,
        checks,
    })
}

/// The last part of a path.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    text::short(&name.to_string_lossy(), 32)
}

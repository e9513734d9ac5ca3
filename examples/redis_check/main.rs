//! Is it safe to switch to this Redis now? Says yes or no, and why.
//!
//! ```text
//! cargo run --release --example redis_check --features redis -- redis://10.0.0.7:6379
//! ```
//!
//! It connects as a hub does, probes the way there and back, and looks at what the servers
//! tell of themselves, for some seconds. Yes means: the replicas have been there and steady
//! for a while and keep up, probes are quick, there is room in memory, and nothing was
//! refused, thrown away or amiss meanwhile. What a server does not tell is not taken for
//! good.
//!
//! The exit code is 0 for yes, 1 for no, and 2 when the question cannot be read.

#[path = "../pipe.rs"]
#[macro_use]
mod pipe;
mod options;
mod report;

use std::{
    collections::BTreeMap,
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use distributary::{
    Hub,
    backplane::{Condition, Health},
    redis::Verdict,
};
use options::Options;

/// How long a first connection and its first answers may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether there is an answer.
const AGAIN: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => return refuse(&wrong),
    };
    match check(&options) {
        Err(wrong) => refuse(&wrong.to_string()),
        Ok(observed) => {
            let verdict = observed.verdict(&options);
            if options.json {
                println!("{}", report::json(&verdict, &observed.health));
            } else {
                println!("{}", report::text(&verdict));
            }
            ExitCode::from(u8::from(!verdict.safe))
        }
    }
}

fn refuse(wrong: &str) -> ExitCode {
    eprintln!("{wrong}\n\n{}", options::USAGE);
    ExitCode::from(2)
}

/// What was seen.
struct Observed {
    health: Health,
    /// What was amiss at some time, by code.
    amiss: BTreeMap<&'static str, String>,
}

fn check(options: &Options) -> Result<Observed, Box<dyn Error>> {
    let hub = Hub::builder().backplane(options.redis()?).build()?;
    let deadline = Instant::now() + PATIENCE;
    while !is_known(&hub.health()) && Instant::now() < deadline {
        std::thread::sleep(AGAIN);
    }
    let mut observed = Observed {
        health: hub.health(),
        amiss: BTreeMap::new(),
    };
    if observed.health.condition == Condition::Away {
        return Ok(observed);
    }
    let mut changes = hub.health_changes();
    let end = Instant::now() + options.seconds;
    while let Some(health) = changes.wait(end) {
        observed.health = health;
        observed.note();
    }
    observed.health = hub.health();
    observed.note();
    hub.close();
    Ok(observed)
}

/// Whether every server has told all that it will tell.
fn is_known(health: &Health) -> bool {
    let mute = |code| health.has(code);
    health.condition != Condition::Away
        && !health.nodes.is_empty()
        && health.lag.probes > 0
        && (mute("info_denied")
            || health
                .nodes
                .iter()
                .all(|node| node.replication.is_some() && node.memory.is_some()))
}

impl Observed {
    fn note(&mut self) {
        let reasons = self.health.reasons.iter();
        for reason in reasons.filter(|reason| reason.condition > Condition::Ok) {
            self.amiss.insert(reason.code, reason.text.clone());
        }
    }

    /// The verdict on the end, and on what has passed before it.
    fn verdict(&self, options: &Options) -> Verdict {
        let mut verdict = options.demands().judge(&self.health);
        for (code, text) in &self.amiss {
            verdict.object(code, text);
        }
        verdict
    }
}

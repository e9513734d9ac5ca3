//! Those who receive, each in a process of its own: `ready`, then `heard N` at each
//! payload `end`.

mod distributary;
mod fred;
mod redis_rs;

use distributary_bench_report::Outcome;

/// The payload that asks how many came before it.
pub(crate) const END: &[u8] = b"end";

/// Listens until the process is ended.
pub(crate) fn run(name: &str, url: &str, channel: &str) -> Outcome<()> {
    match name {
        "distributary" => distributary::run(url, channel),
        "redis-rs" => redis_rs::run(url, channel),
        "fred" => fred::run(url, channel),
        _ => Err(format!("there is no listener {name:?} in this program").into()),
    }
}

/// Counts, and says so when asked.
#[derive(Default)]
struct Ear(u64);

impl Ear {
    fn hear(&mut self, payload: &[u8]) {
        if payload == END {
            println!("heard {}", self.0);
            self.0 = 0;
        } else {
            self.0 += 1;
        }
    }
}

/// The runtime of those that need one.
fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

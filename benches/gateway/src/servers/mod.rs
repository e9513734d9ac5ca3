//! The servers that are this program: each in a process of its own, pinned to a core,
//! with one line on its output when it is ready: `ready PORT CONTROL`.

mod audience;
mod bare;
mod distributary;
mod orders;
mod tungstenite;

use crate::Outcome;

pub(crate) use distributary::{GROUPS, storm_event, storm_topic};

/// Serves until the process is ended.
pub(crate) fn run(name: &str) -> Outcome<()> {
    match name {
        "bare" => bare::run(),
        "tungstenite" => tungstenite::run(),
        "distributary" => distributary::run(),
        _ => Err(format!("there is no server {name:?} in this program").into()),
    }
}

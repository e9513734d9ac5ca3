//! A gateway's counters as Python reads them: a dict of the engine's names, durations in
//! seconds.

use distributary::gateway::GatewayStats;
use pyo3::{prelude::*, types::PyDict};

use crate::stats::{durations, shares};

pub(super) fn stats<'py>(py: Python<'py>, stats: &GatewayStats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, count) in [
        ("open", stats.open),
        ("stalled", stats.stalled),
        ("closing", stats.closing),
        ("opened", stats.opened),
        ("bytes_written", stats.bytes_written),
        ("writes", stats.writes),
        ("frames_made", stats.frames_made),
        ("messages_read", stats.messages_read),
        ("lag_told", stats.lag_told),
        ("closed_writes", stats.closed_writes),
        ("accepted", stats.accepted),
        ("accept_errors", stats.accept_errors),
        ("handshaking", stats.handshaking),
        ("returned", stats.returned),
        ("unanswered", stats.unanswered),
    ] {
        dict.set_item(name, count)?;
    }
    dict.set_item("share", shares(py, &stats.share)?)?;
    dict.set_item("read_wait", durations(py, &stats.read_wait)?)?;
    dict.set_item("command_wait", durations(py, &stats.command_wait)?)?;
    let ended = stats.ended().map(|(why, count)| (why.name(), count));
    dict.set_item("ended", counts(py, ended)?)?;
    let refused = stats.refused().map(|(why, count)| (why.name(), count));
    dict.set_item("refused", counts(py, refused)?)?;
    Ok(dict)
}

fn counts<'py>(
    py: Python<'py>,
    counts: impl Iterator<Item = (&'static str, u64)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, count) in counts {
        dict.set_item(name, count)?;
    }
    Ok(dict)
}

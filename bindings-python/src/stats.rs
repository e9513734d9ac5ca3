//! Counters as Python reads them: a dict of the engine's names, durations in seconds.

use distributary::{
    DurationHistogram, ShareHistogram, Stats, TopicStats,
    backplane::{Counts, Health, Lag},
};
use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};

macro_rules! counters {
    ($dict:ident, $stats:ident, $($field:ident),* $(,)?) => {
        $($dict.set_item(stringify!($field), $stats.$field)?;)*
    };
}

/// A snapshot of a hub's counters.
pub(crate) fn stats<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    counters!(
        dict,
        stats,
        subscriptions,
        topics,
        feeds,
        patterns,
        filters_indexed,
        filters_scanned,
        index_bytes,
        bytes_held,
        log_bytes,
        published,
        unmatched,
        matched,
        reached,
        delivered,
        missed,
        unreadable,
        dropped_oldest,
        dropped_newest,
        dropped_stale,
        dropped_pressed,
        conflated,
        slow_closed,
        panicked,
        closed_writes,
    );
    dict.set_item("share", shares(py, &stats.share)?)?;
    dict.set_item("drain", durations(py, &stats.drain)?)?;
    dict.set_item("control_wait", durations(py, &stats.control_wait)?)?;
    Ok(dict)
}

/// What one topic has seen since it was asked to be counted.
pub(crate) fn topic<'py>(py: Python<'py>, stats: &TopicStats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("topic", stats.topic.as_str())?;
    counters!(dict, stats, published, matched, reached, bytes);
    Ok(dict)
}

/// How a backplane is.
pub(crate) fn health<'py>(py: Python<'py>, health: &Health) -> PyResult<Bound<'py, PyDict>> {
    let reasons = health.reasons.iter();
    let reasons = reasons.map(|it| (it.code, it.condition.as_str(), it.text.as_str()));
    let dict = PyDict::new(py);
    dict.set_item("condition", health.condition.as_str())?;
    dict.set_item("reasons", PyTuple::new(py, reasons.collect::<Vec<_>>())?)?;
    dict.set_item("lag", lag(py, &health.lag)?)?;
    dict.set_item("counts", counts(py, &health.counts)?)?;
    counters!(dict, health, queued_bytes, joining);
    Ok(dict)
}

fn lag<'py>(py: Python<'py>, lag: &Lag) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, time) in [("p50", lag.p50), ("p99", lag.p99), ("max", lag.max)] {
        dict.set_item(name, time.as_secs_f64())?;
    }
    dict.set_item("late", lag.late)?;
    Ok(dict)
}

fn counts<'py>(py: Python<'py>, counts: &Counts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    counters!(
        dict,
        counts,
        arrived,
        sent,
        failed,
        voided,
        gaps,
        lost,
        repaired,
        duplicates,
        unreadable,
        attempts,
        connections,
    );
    Ok(dict)
}

pub(crate) fn durations<'py>(
    py: Python<'py>,
    durations: &DurationHistogram,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("count", durations.count())?;
    dict.set_item("sum", durations.sum().as_secs_f64())?;
    dict.set_item("max", durations.max().as_secs_f64())?;
    dict.set_item("p50", durations.quantile(0.5).as_secs_f64())?;
    dict.set_item("p99", durations.quantile(0.99).as_secs_f64())?;
    let buckets = durations.buckets();
    let buckets: Vec<_> = buckets
        .map(|(bound, count)| (bound.as_secs_f64(), count))
        .collect();
    dict.set_item("buckets", PyTuple::new(py, buckets)?)?;
    Ok(dict)
}

pub(crate) fn shares<'py>(
    py: Python<'py>,
    shares: &ShareHistogram,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("last", shares.last())?;
    dict.set_item("max", shares.max())?;
    dict.set_item("sum", shares.sum())?;
    let buckets: Vec<_> = shares.buckets().collect();
    dict.set_item("buckets", PyTuple::new(py, buckets)?)?;
    Ok(dict)
}

//! Moving topics, as Python asks for it: seconds are floats, and stages, sides and whatever
//! is in the way are words.
//!
//! A stage is entered on a thread of its own, which ends at its deadline at the latest: the
//! engine blocks for it, and neither a loop nor the interpreter may stand still meanwhile.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use distributary::redis::{
    DemandsOptions,
    migration::{
        self as engine, CourseOptions, MigrationError, Moving, Peer, Side, SideCounts, Stage,
    },
};
use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};
use tokio::sync::oneshot;

use crate::{
    errors::{Kind, closed, error, migration_error},
    fork::Native,
    redis::{RedisSettings, seconds},
    waiting::Wait,
};

/// What is asked of a side before events go to it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct DemandsSettings {
    replicas: Option<usize>,
    stable: Option<f64>,
    steady: Option<f64>,
    behind: Option<u64>,
    lag: Option<f64>,
    memory: Option<f64>,
}

impl DemandsSettings {
    fn options(&self) -> DemandsOptions {
        DemandsOptions {
            replicas: self.replicas,
            stable: self.stable.map(seconds),
            steady: self.steady.map(seconds),
            behind: self.behind,
            lag: self.lag.map(seconds),
            memory: self.memory,
        }
    }
}

/// What is moved, and where to.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct CourseSettings {
    topic: String,
    to: Option<String>,
    onto: Option<RedisSettings>,
    window: Option<f64>,
    quiet: Option<f64>,
    demands: Option<DemandsSettings>,
}

impl CourseSettings {
    fn options(&self) -> CourseOptions {
        let demands = self.demands.as_ref();
        CourseOptions {
            topic: self.topic.clone(),
            to: self.to.clone(),
            onto: self.onto.as_ref().map(RedisSettings::options),
            window: self.window.map(seconds),
            quiet: self.quiet.map(seconds),
            demands: demands.map(DemandsSettings::options).unwrap_or_default(),
        }
    }

    pub(crate) fn begin(&self, moving: &Moving, stage: &str) -> PyResult<Migration> {
        let stage = stage_of(stage)?;
        let course = self.options().build();
        let begun = course.and_then(|course| moving.begin(course, stage));
        let migration = Native::new(begun.map_err(migration_error)?);
        Ok(Migration { migration })
    }
}

/// The migration of one topic.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Migration {
    migration: Native<engine::Migration>,
}

impl Migration {
    fn migration(&self) -> PyResult<&engine::Migration> {
        self.migration.get().ok_or_else(|| closed("forked"))
    }
}

#[pymethods]
impl Migration {
    /// How far it has come. In the child of a fork: how far it had come in the parent.
    #[getter]
    fn stage(&self) -> &'static str {
        // An atomic, which nobody can have held at the fork.
        let stage = self.migration.even_foreign().map(engine::Migration::stage);
        stage.unwrap_or(Stage::Old).as_str()
    }

    /// What each side has carried, the old one first.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
        let sides = self.migration()?.counts();
        Ok((counts(py, &sides.old)?, counts(py, &sides.new)?))
    }

    /// The other hubs that take part: number, stage, the one that they are about to enter, and the
    /// sides where they listen.
    fn peers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let all = self.migration()?.peers();
        all.iter().map(|one| peer(py, one)).collect()
    }

    /// Begins to enter a stage (`enter`, `force`), or to find out whether it can be
    /// (`check`), within so many seconds.
    fn go(&self, how: &str, stage: &str, timeout: f64) -> PyResult<Wait> {
        let go = match how {
            "enter" => engine::Migration::enter,
            "force" => engine::Migration::force,
            _ => engine::Migration::check,
        };
        let migration = self.migration()?.clone();
        let stage = stage_of(stage)?;
        let now = Instant::now();
        let deadline = now.checked_add(seconds(timeout));
        let deadline = deadline.unwrap_or(now + Duration::from_secs(1 << 30));
        let (told, outcome) = oneshot::channel();
        thread::Builder::new()
            .name("distributary-migration".into())
            .spawn(move || {
                // Nobody may wait for it any more.
                let _ = told.send(go(&migration, stage, deadline));
            })
            .map_err(|cause: io::Error| PyErr::from(cause))?;
        Ok(Wait::entered(outcome))
    }
}

fn counts<'py>(py: Python<'py>, side: &SideCounts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("read", side.read)?;
    dict.set_item("written", side.written)?;
    dict.set_item("duplicates", side.duplicates)?;
    dict.set_item("only", side.only)?;
    Ok(dict)
}

fn peer<'py>(py: Python<'py>, peer: &Peer) -> PyResult<Bound<'py, PyTuple>> {
    let sides = [Side::Old, Side::New].into_iter().zip(peer.hears);
    let hears = sides.filter_map(|(side, hears)| hears.then_some(side.as_str()));
    let hears = PyTuple::new(py, hears.collect::<Vec<_>>())?;
    let entering = peer.entering.map(Stage::as_str);
    (
        format!("{:016x}", peer.hub),
        peer.stage.as_str(),
        entering,
        hears,
    )
        .into_pyobject(py)
}

fn stage_of(word: &str) -> PyResult<Stage> {
    Stage::parse(word)
        .ok_or_else(|| error(Kind::Option, format_args!("there is no stage {word:?}")))
}

/// What is in the way: its kind, what is to be said of it, and what else is known.
pub(crate) fn obstacle<'py>(
    py: Python<'py>,
    cause: &MigrationError,
) -> PyResult<(&'static str, String, Bound<'py, PyDict>)> {
    let details = PyDict::new(py);
    let mut text = cause.to_string();
    let kind = match cause {
        MigrationError::Taken { .. } => "taken",
        MigrationError::Modes { .. } => "modes",
        MigrationError::NotNext { .. } => "not_next",
        MigrationError::Busy => {
            text = "another stage of it is being entered: wait for that first".into();
            "busy"
        }
        MigrationError::Readers(peers) => {
            details.set_item("peers", peers_of(py, peers)?)?;
            "readers"
        }
        MigrationError::Writers(peers) => {
            details.set_item("peers", peers_of(py, peers)?)?;
            "writers"
        }
        MigrationError::Strangers { connections, side } => {
            details.set_item("connections", connections)?;
            details.set_item("side", side.as_str())?;
            "strangers"
        }
        MigrationError::StillWritten { side, ago, by } => {
            details.set_item("hub", by.map(|hub| format!("{hub:016x}")))?;
            details.set_item("side", side.as_str())?;
            details.set_item("ago", ago.as_secs_f64())?;
            "still_written"
        }
        MigrationError::Silent { hubs } => {
            details.set_item("hubs", hubs)?;
            "silent"
        }
        MigrationError::Unhealthy(findings) => {
            let findings = findings.iter().map(|it| (it.code, it.text.as_str()));
            let findings = PyTuple::new(py, findings.collect::<Vec<_>>())?;
            details.set_item("findings", findings)?;
            "unhealthy"
        }
        MigrationError::NotReached { server } => {
            text = format!("{server} did not answer in time: see hub.health(), and try again");
            "not_reached"
        }
        MigrationError::NotHeard { side, .. } => {
            details.set_item("side", side.as_str())?;
            "not_heard"
        }
        _ => "unknown",
    };
    Ok((kind, text, details))
}

fn peers_of<'py>(py: Python<'py>, peers: &[Peer]) -> PyResult<Bound<'py, PyTuple>> {
    let peers = peers.iter().map(|one| peer(py, one));
    PyTuple::new(py, peers.collect::<PyResult<Vec<_>>>()?)
}

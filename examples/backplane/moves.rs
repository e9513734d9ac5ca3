//! Channels that move to another name, stage by stage.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use distributary::redis::migration::{
    Course, Migration, MigrationError, Moving, SideCounts, Stage,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long entering a stage may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Writes that were on their way to a side that is given up are waited for so long.
const PASSING: Duration = Duration::from_secs(5);
/// Who has just stopped listening is listed for as long as names linger, two seconds.
const LEAVING: Duration = Duration::from_millis(2_200);
/// How often it is looked again.
const AGAIN: Duration = Duration::from_millis(250);

/// The line `migrate`.
#[derive(Deserialize)]
pub(crate) struct Move {
    channel: String,
    stage: Word,
    /// What it is called on the new side; `.moved` is added unless said.
    to: Option<String>,
    #[serde(default)]
    force: bool,
}

/// The words of stages.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Word {
    Old,
    DualRead,
    NewWrite,
    #[serde(alias = "new")]
    Cleanup,
}

/// All migrations of this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Moves {
    moving: Moving,
    begun: Arc<Mutex<HashMap<String, Migration>>>,
}

impl Moves {
    pub(crate) fn new(moving: Moving) -> Self {
        Moves {
            moving,
            begun: Arc::default(),
        }
    }

    /// Enters a stage, if nobody would lose anything by it; what has been carried so far.
    pub(crate) fn enter(&self, wish: &Move) -> Result<Value, MigrationError> {
        let migration = self.begin(wish)?;
        let stage = match wish.stage {
            Word::Old => Stage::Old,
            Word::DualRead => Stage::DualRead,
            Word::NewWrite => Stage::NewWrite,
            Word::Cleanup => Stage::New,
        };
        let since = Instant::now();
        let deadline = since + PATIENCE;
        while migration.stage() != stage {
            let entered = match wish.force {
                true => migration.force(stage, deadline),
                false => migration.enter(stage, deadline),
            };
            let patience = match entered {
                Err(MigrationError::StillWritten { .. } | MigrationError::Busy) => PASSING,
                Err(MigrationError::Strangers { .. }) => LEAVING,
                _ => Duration::ZERO,
            };
            if since.elapsed() >= patience {
                entered?;
            } else {
                thread::sleep(AGAIN);
            }
        }
        let counts = migration.counts();
        Ok(json!({
            "stage": migration.stage().as_str(),
            "peers": migration.peers().len(),
            "old": told(&counts.old),
            "new": told(&counts.new),
        }))
    }

    fn begin(&self, wish: &Move) -> Result<Migration, MigrationError> {
        let mut begun = self
            .begun
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(migration) = begun.get(&wish.channel) {
            return Ok(migration.clone());
        }
        let moved = format!("{}.moved", wish.channel);
        let course = Course::of(&wish.channel)?.to(wish.to.as_ref().unwrap_or(&moved))?;
        let migration = self.moving.begin(course, Stage::Old)?;
        begun.insert(wish.channel.clone(), migration.clone());
        Ok(migration)
    }
}

fn told(side: &SideCounts) -> Value {
    json!({
        "read": side.read,
        "written": side.written,
        "duplicates": side.duplicates,
        "only": side.only,
    })
}

//! Channels that move to other names, stage by stage.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use distributary::redis::migration::{Course, Migration, Moving, SideCounts, Stage};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long a stage may take to be entered.
const ENTERING: Duration = Duration::from_secs(20);

/// A stage to enter.
#[derive(Deserialize)]
pub(crate) struct Step {
    channel: String,
    stage: String,
    to: Option<String>,
    #[serde(default)]
    force: bool,
}

/// Those that this process takes part in.
pub(crate) struct Moves {
    moving: Moving,
    begun: Mutex<HashMap<String, Migration>>,
}

impl Moves {
    pub(crate) fn new(moving: Moving) -> Self {
        Moves {
            moving,
            begun: Mutex::default(),
        }
    }

    /// Enters a stage. Blocks until that is done, or found to be impossible.
    pub(crate) fn take(&self, step: &Step) -> Result<Value, String> {
        let stage = match step.stage.as_str() {
            "cleanup" => Some(Stage::New),
            word => Stage::parse(word),
        };
        let stage = stage.ok_or_else(|| {
            format!(
                "{:?} is no stage: expected old, dual_read, new_write or cleanup",
                step.stage
            )
        })?;
        let migration = self.migration(step)?;
        let deadline = Instant::now() + ENTERING;
        // Entering it twice is entering it.
        if migration.stage() != stage {
            let entered = match step.force {
                true => migration.force(stage, deadline),
                false => migration.enter(stage, deadline),
            };
            entered.map_err(|error| error.to_string())?;
        }
        let sides = migration.counts();
        Ok(json!({
            "stage": migration.stage().as_str(),
            "old": told(&sides.old),
            "new": told(&sides.new),
        }))
    }

    /// That of the channel; begun if it has not been yet.
    fn migration(&self, step: &Step) -> Result<Migration, String> {
        let mut begun = self
            .begun
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(migration) = begun.get(&step.channel) {
            return Ok(migration.clone());
        }
        let name = step.to.clone();
        let name = name.unwrap_or_else(|| format!("{}.v2", step.channel));
        let migration = Course::of(&step.channel)
            .and_then(|course| course.to(name))
            .and_then(|course| self.moving.begin(course, Stage::Old))
            .map_err(|error| error.to_string())?;
        begun.insert(step.channel.clone(), migration.clone());
        Ok(migration)
    }
}

fn told(side: &SideCounts) -> Value {
    json!({
        "read": side.read, "written": side.written, "duplicates": side.duplicates,
        "only": side.only,
    })
}

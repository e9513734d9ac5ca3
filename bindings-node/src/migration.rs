//! Moving topics, as JavaScript asks for it: durations are milliseconds, and stages, sides
//! and whatever is in the way have names.
//!
//! A stage is entered on a thread of Node's pool, which it may keep until its deadline. What
//! is in the way is no exception here but a result, for it says more than a text.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use distributary::redis::{
    DemandsOptions, Finding,
    migration::{CourseOptions, Migration, MigrationError, Moving, Peer, Side, SideCounts, Stage},
};
use napi::{
    Env, Task,
    bindgen_prelude::{AsyncTask, Either},
};
use napi_derive::napi;

use crate::{
    error::{Code, Result, closed, error},
    redis::{NativeRedis, millis, refused},
};

const BEGIN: &str = "moving.begin(course, stage)";

/// What is asked of a side before events go to it.
#[napi(object, object_to_js = false)]
pub struct NativeDemands {
    /// Replicas that each master must have.
    pub replicas: Option<f64>,
    /// For how long they must have been there.
    pub stable: Option<f64>,
    /// For how long none may have begun anew.
    pub steady: Option<f64>,
    /// Bytes that they must lack less than.
    pub behind: Option<f64>,
    /// What probes must be faster than, but for an odd one.
    pub lag: Option<f64>,
    /// The share of memory that less must be used than.
    pub memory: Option<f64>,
}

impl NativeDemands {
    fn options(&self) -> DemandsOptions {
        DemandsOptions {
            replicas: self.replicas.map(|replicas| replicas as usize),
            stable: self.stable.map(millis),
            steady: self.steady.map(millis),
            behind: self.behind.map(|bytes| bytes as u64),
            lag: self.lag.map(millis),
            memory: self.memory,
        }
    }
}

/// What is moved, and where to.
#[napi(object, object_to_js = false)]
pub struct NativeCourse {
    /// What it is called in the hub.
    pub topic: String,
    /// What its channel is called on the new side.
    pub to: Option<String>,
    /// The server of the new side.
    pub onto: Option<NativeRedis>,
    /// Within this, equal payloads of both sides are one event.
    pub window: Option<f64>,
    /// A side is given up when nobody wrote to it for so long.
    pub quiet: Option<f64>,
    /// What is asked of a side before events go to it.
    pub demands: Option<NativeDemands>,
}

impl NativeCourse {
    fn options(&self) -> CourseOptions {
        let demands = self.demands.as_ref();
        CourseOptions {
            topic: self.topic.clone(),
            to: self.to.clone(),
            onto: self.onto.as_ref().map(NativeRedis::options),
            window: self.window.map(millis),
            quiet: self.quiet.map(millis),
            demands: demands.map(NativeDemands::options).unwrap_or_default(),
        }
    }

    pub(crate) fn begin(
        &self,
        moving: &Moving,
        stage: &str,
    ) -> Result<Either<NativeMigration, NativeObstacle>> {
        let stage = stage_of(stage)?;
        let course = self.options().build();
        match course.and_then(|course| moving.begin(course, stage)) {
            Ok(migration) => Ok(Either::A(NativeMigration { migration })),
            Err(cause @ (MigrationError::Topic(_) | MigrationError::Reserved { .. })) => {
                Err(error(Code::BadTopic, cause))
            }
            Err(cause @ MigrationError::Nowhere) => {
                Err(error(Code::BadOption, format_args!("{BEGIN}: {cause}")))
            }
            Err(MigrationError::Closed) => Err(closed()),
            Err(MigrationError::Redis(cause)) => Err(refused(&format!("{BEGIN}: onto"), &cause)),
            Err(cause) => Ok(Either::B(cause.into())),
        }
    }
}

/// The migration of one topic.
#[napi]
pub struct NativeMigration {
    migration: Migration,
}

#[napi]
impl NativeMigration {
    /// What the topic is called in the hub.
    #[napi(getter, catch_unwind)]
    pub fn topic(&self) -> String {
        self.migration.topic().to_string()
    }

    /// How far it has come.
    #[napi(getter, catch_unwind)]
    pub fn stage(&self) -> &'static str {
        stage_name(self.migration.stage())
    }

    /// What each side has carried.
    #[napi(catch_unwind)]
    pub fn counts(&self) -> NativeSides {
        let sides = self.migration.counts();
        NativeSides {
            old: sides.old.into(),
            new: sides.new.into(),
        }
    }

    /// The other hubs that take part.
    #[napi(catch_unwind)]
    pub fn peers(&self) -> Vec<NativePeer> {
        self.migration.peers().into_iter().map(Into::into).collect()
    }

    /// Enters a stage, or finds out whether it can be, within so many milliseconds; what is
    /// in the way, if something is.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeObstacle | null>")]
    pub fn go(&self, how: NativeGo, stage: String, timeout: f64) -> Result<AsyncTask<Going>> {
        let now = Instant::now();
        let deadline = now.checked_add(millis(timeout));
        Ok(AsyncTask::new(Going {
            migration: self.migration.clone(),
            how,
            stage: stage_of(&stage)?,
            deadline: deadline.unwrap_or(now + Duration::from_secs(1 << 30)),
        }))
    }
}

/// In which manner a stage is asked for.
#[napi(string_enum)]
#[derive(Clone, Copy)]
pub enum NativeGo {
    /// Once nobody would lose anything by it.
    Enter,
    /// Whoever loses something.
    Force,
    /// Nothing is changed.
    Check,
}

/// A stage that is asked for.
pub struct Going {
    migration: Migration,
    how: NativeGo,
    stage: Stage,
    deadline: Instant,
}

impl Task for Going {
    type Output = Option<NativeObstacle>;
    type JsValue = Option<NativeObstacle>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let Going {
            migration,
            how,
            stage,
            deadline,
        } = self;
        // A panic would leave a thread of Node's, and take the process with it.
        let gone = catch_unwind(AssertUnwindSafe(|| match how {
            NativeGo::Enter => migration.enter(*stage, *deadline),
            NativeGo::Force => migration.force(*stage, *deadline),
            NativeGo::Check => migration.check(*stage, *deadline),
        }));
        match gone {
            Ok(gone) => Ok(gone.err().map(Into::into)),
            Err(_) => Err(napi::Error::from_reason(
                "the stage was not entered, by a fault of distributary's: report what it printed",
            )),
        }
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(output)
    }
}

/// What both sides have carried.
#[napi(object, object_from_js = false)]
pub struct NativeSides {
    /// Where events come from.
    pub old: NativeSideCounts,
    /// Where they move to.
    pub new: NativeSideCounts,
}

/// What one side has carried.
#[napi(object, object_from_js = false)]
pub struct NativeSideCounts {
    /// Events that came by it.
    pub read: f64,
    /// Events of this hub that went to it.
    pub written: f64,
    /// Of those that came, the ones that had come by the other side already.
    pub duplicates: f64,
    /// Of those that came, the ones that came by no other side.
    pub only: f64,
}

impl From<SideCounts> for NativeSideCounts {
    fn from(counts: SideCounts) -> Self {
        NativeSideCounts {
            read: counts.read as f64,
            written: counts.written as f64,
            duplicates: counts.duplicates as f64,
            only: counts.only as f64,
        }
    }
}

/// Another hub that takes part.
#[napi(object, object_from_js = false)]
pub struct NativePeer {
    /// Its number, as hubs write it.
    pub hub: String,
    /// How far it has come.
    pub stage: String,
    /// The stage that it is about to enter.
    pub entering: Option<String>,
    /// The sides where it listens.
    pub hears: Vec<String>,
}

impl From<Peer> for NativePeer {
    fn from(peer: Peer) -> Self {
        let sides = [Side::Old, Side::New].into_iter().zip(peer.hears);
        NativePeer {
            hub: format!("{:016x}", peer.hub),
            stage: stage_name(peer.stage).into(),
            entering: peer.entering.map(|stage| stage_name(stage).into()),
            hears: sides
                .filter(|&(_, hears)| hears)
                .map(|(side, _)| side.to_string())
                .collect(),
        }
    }
}

/// What keeps a side from being written to.
#[napi(object, object_from_js = false)]
pub struct NativeFinding {
    /// A stable word.
    pub code: String,
    /// What was seen.
    pub text: String,
}

impl From<Finding> for NativeFinding {
    fn from(finding: Finding) -> Self {
        NativeFinding {
            code: finding.code.into(),
            text: finding.text,
        }
    }
}

/// What is in the way.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeObstacle {
    /// One of the kinds that `migration.d.ts` names.
    pub kind: &'static str,
    /// What is to be said of it.
    pub message: String,
    /// Hubs that are.
    pub peers: Option<Vec<NativePeer>>,
    /// Connections that take no part.
    pub connections: Option<f64>,
    /// Where those are, or who else writes.
    pub side: Option<String>,
    /// How long ago an event came by it.
    pub ago: Option<f64>,
    /// Whose that was, if it is known.
    pub hub: Option<String>,
    /// Hubs that do not answer.
    pub hubs: Option<f64>,
    /// What is not well.
    pub findings: Option<Vec<NativeFinding>>,
}

impl From<MigrationError> for NativeObstacle {
    fn from(cause: MigrationError) -> Self {
        let obstacle = |kind| NativeObstacle {
            kind,
            message: cause.to_string(),
            ..NativeObstacle::default()
        };
        let peers = |kind, peers: &[Peer]| NativeObstacle {
            message: renamed(&cause),
            peers: Some(peers.iter().cloned().map(Into::into).collect()),
            ..obstacle(kind)
        };
        match &cause {
            MigrationError::Taken { .. } => obstacle("taken"),
            MigrationError::Modes { .. } => obstacle("modes"),
            MigrationError::NotNext { .. } => NativeObstacle {
                message: renamed(&cause),
                ..obstacle("not-next")
            },
            MigrationError::Busy => NativeObstacle {
                message: "another stage of it is being entered: wait for that first".into(),
                ..obstacle("busy")
            },
            MigrationError::Readers(readers) => peers("readers", readers),
            MigrationError::Writers(writers) => peers("writers", writers),
            MigrationError::Strangers { connections, side } => NativeObstacle {
                connections: Some(*connections as f64),
                side: Some(side.to_string()),
                ..obstacle("strangers")
            },
            MigrationError::StillWritten { side, ago, by } => NativeObstacle {
                hub: by.map(|hub| format!("{hub:016x}")),
                side: Some(side.to_string()),
                ago: Some(ago.as_secs_f64() * 1e3),
                ..obstacle("still-written")
            },
            MigrationError::Silent { hubs } => NativeObstacle {
                hubs: Some(*hubs as f64),
                ..obstacle("silent")
            },
            MigrationError::Unhealthy(findings) => NativeObstacle {
                findings: Some(findings.iter().cloned().map(Into::into).collect()),
                ..obstacle("unhealthy")
            },
            MigrationError::NotReached { server } => NativeObstacle {
                message: format!(
                    "{server} did not answer in time: see hub.health(), and try again"
                ),
                ..obstacle("not-reached")
            },
            MigrationError::NotHeard { side, .. } => NativeObstacle {
                side: Some(side.to_string()),
                ..obstacle("not-heard")
            },
            MigrationError::Closed => obstacle("closed"),
            _ => obstacle("unknown"),
        }
    }
}

const STAGES: [(Stage, &str); 4] = [
    (Stage::Old, "old"),
    (Stage::DualRead, "dual-read"),
    (Stage::NewWrite, "new-write"),
    (Stage::New, "new"),
];

fn stage_name(stage: Stage) -> &'static str {
    let named = STAGES.into_iter().find(|(known, _)| *known == stage);
    named.map_or("unknown", |(_, name)| name)
}

fn stage_of(name: &str) -> Result<Stage> {
    let named = STAGES.into_iter().find(|(_, known)| *known == name);
    named
        .map(|(stage, _)| stage)
        .ok_or_else(|| error(Code::BadOption, format_args!("there is no stage {name:?}")))
}

/// A message that names nothing but numbers and stages, with these as JavaScript has them.
fn renamed(cause: &MigrationError) -> String {
    STAGES
        .into_iter()
        .fold(cause.to_string(), |text, (stage, name)| {
            text.replace(stage.as_str(), name)
        })
}

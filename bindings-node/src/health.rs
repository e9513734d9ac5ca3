//! How a backplane is, as JavaScript reads it: durations in milliseconds.

use std::sync::{Arc, Mutex};

use distributary::backplane::{Counts, Health, HealthChanges};
use napi_derive::napi;

use crate::{
    stats::millis,
    waits::{NativeSettled, NativeWaits},
};

/// Shared by their reader and by what it waits with.
pub(crate) type Changes = Arc<Mutex<HealthChanges>>;

/// How a backplane is, and whenever that changes, for one reader.
#[napi]
pub struct NativeHealthChanges {
    changes: Changes,
}

impl NativeHealthChanges {
    pub(crate) fn new(changes: HealthChanges) -> Self {
        NativeHealthChanges {
            changes: Arc::new(Mutex::new(changes)),
        }
    }
}

#[napi]
impl NativeHealthChanges {
    /// Waits under this number for what there is to tell next, or for the end.
    #[napi(catch_unwind)]
    pub fn next(&self, waits: &mut NativeWaits, number: u32) -> Option<NativeSettled> {
        waits.changed(number, Arc::clone(&self.changes))
    }
}

/// How a backplane is.
#[napi(object, object_from_js = false)]
pub struct NativeHealth {
    /// `ok`, `degraded` or `away`.
    pub condition: String,
    /// Everything that is not as it should be.
    pub reasons: Vec<NativeReason>,
    /// How late probes were lately.
    pub lag: NativeLag,
    /// Since the hub was made.
    pub counts: NativeCounts,
    /// Bytes that wait to be sent.
    pub queued_bytes: f64,
    /// Names that are wanted, and not yet heard.
    pub joining: f64,
}

/// Something that is not as it should be.
#[napi(object, object_from_js = false)]
pub struct NativeReason {
    /// A stable word for programs.
    pub code: String,
    /// What it does to the whole.
    pub condition: String,
    /// For people.
    pub text: String,
}

/// How late probes were.
#[napi(object, object_from_js = false)]
pub struct NativeLag {
    /// Half of them.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The latest.
    pub max: f64,
    /// Those later than 900 ms.
    pub late: f64,
}

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// What has been counted since the hub was made.
        #[napi(object, object_from_js = false)]
        pub struct NativeCounts {
            $($(#[$doc])* pub $field: f64,)*
        }

        impl From<Counts> for NativeCounts {
            fn from(counts: Counts) -> Self {
                NativeCounts { $($field: counts.$field as f64,)* }
            }
        }
    };
}

counts!(
    /// Events that came from other hubs and were handed on.
    arrived,
    /// Events that the server confirmed.
    sent,
    /// Events that were refused, expired or stayed unconfirmed.
    failed,
    /// Events that were acknowledged, and that a server which took over may lack.
    voided,
    /// Stretches that were found missing, and could not be repaired.
    gaps,
    /// Events in them, where they could be counted.
    lost,
    /// Events that were missing and were read from a log.
    repaired,
    /// Events that came a second time and were let go.
    duplicates,
    /// Messages, and entries of logs, that could not be read.
    unreadable,
    /// Attempts to connect.
    attempts,
    /// Those that succeeded.
    connections,
);

impl From<Health> for NativeHealth {
    fn from(health: Health) -> Self {
        let reasons = health.reasons.into_iter().map(|reason| NativeReason {
            code: reason.code.into(),
            condition: reason.condition.as_str().into(),
            text: reason.text,
        });
        NativeHealth {
            condition: health.condition.as_str().into(),
            reasons: reasons.collect(),
            lag: NativeLag {
                p50: millis(health.lag.p50),
                p99: millis(health.lag.p99),
                max: millis(health.lag.max),
                late: health.lag.late as f64,
            },
            counts: health.counts.into(),
            queued_bytes: health.queued_bytes as f64,
            joining: health.joining as f64,
        }
    }
}

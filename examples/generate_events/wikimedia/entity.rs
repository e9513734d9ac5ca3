//! `/mediawiki/recentchange/1.0.0`, field for field in the order of the wire.
//!
//! <https://schema.wikimedia.org/repositories/primary/jsonschema/mediawiki/recentchange/>
//! What a kind of change does not have is absent, never null.

use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
pub(crate) struct RecentChange {
    #[serde(rename = "$schema")]
    pub(crate) schema: &'static str,
    pub(crate) meta: Meta,
    /// Absent for hits of the abuse filter, which are no entries of the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    /// `edit`, `new`, `log` or `categorize`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) namespace: i64,
    pub(crate) title: String,
    pub(crate) title_url: String,
    pub(crate) comment: String,
    /// Seconds since the epoch.
    pub(crate) timestamp: u64,
    pub(crate) user: String,
    pub(crate) bot: bool,
    /// Absent for log entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notify_url: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) edit: Option<Edit>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<Log>,
    pub(crate) server_url: String,
    pub(crate) server_name: &'static str,
    pub(crate) server_script_path: &'static str,
    pub(crate) wiki: &'static str,
    pub(crate) parsedcomment: String,
}

#[derive(Serialize)]
pub(crate) struct Meta {
    pub(crate) uri: String,
    pub(crate) request_id: String,
    pub(crate) id: String,
    pub(crate) domain: &'static str,
    pub(crate) stream: &'static str,
    pub(crate) dt: String,
    pub(crate) topic: &'static str,
    pub(crate) partition: u32,
    pub(crate) offset: u64,
}

/// The part of `edit` and `new`.
#[derive(Serialize)]
pub(crate) struct Edit {
    pub(crate) minor: bool,
    /// Only on wikis that patrol, and there for new pages at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) patrolled: Option<bool>,
    pub(crate) length: OldNew,
    pub(crate) revision: OldNew,
}

#[derive(Serialize)]
pub(crate) struct OldNew {
    /// Absent for a new page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old: Option<u64>,
    pub(crate) new: u64,
}

/// The part of `log`.
#[derive(Serialize)]
pub(crate) struct Log {
    pub(crate) log_id: u64,
    pub(crate) log_type: &'static str,
    pub(crate) log_action: &'static str,
    /// An object, or an empty array: PHP does not tell them apart.
    pub(crate) log_params: Value,
    pub(crate) log_action_comment: String,
}

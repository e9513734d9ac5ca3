//! What people post: statuses and notifications out of the sample file, as they would
//! come from the web server that stores them.

use std::{collections::HashSet, fs, path::Path};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::Failure;

/// Something that happens on the server.
pub(crate) enum Happening {
    /// A post, new or edited.
    Post(Post),
    /// Somebody is told that they were mentioned, followed, …
    Notice { by: i64, json: Box<RawValue> },
}

pub(crate) struct Post {
    pub(crate) status: Status,
    /// The whole entity, as clients get it.
    pub(crate) json: Box<RawValue>,
}

/// The fields of a status that decide who sees it.
#[derive(Deserialize)]
pub(crate) struct Status {
    id: String,
    edited_at: Option<String>,
    in_reply_to_id: Option<String>,
    reblog: Option<Box<Status>>,
    visibility: String,
    pub(crate) language: Option<String>,
    pub(crate) account: Account,
    media_attachments: Vec<IgnoredAny>,
    pub(crate) tags: Vec<Tag>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Account {
    #[serde(deserialize_with = "id")]
    pub(crate) id: i64,
    /// `name` of a local account, `name@host` of a remote one.
    pub(crate) acct: String,
}

#[derive(Deserialize)]
pub(crate) struct Tag {
    pub(crate) name: String,
}

impl Status {
    /// Who wrote it, and who wrote what it boosts.
    pub(crate) fn authors(&self) -> impl Iterator<Item = i64> {
        let boosted = self.reblog.iter().map(|boosted| boosted.account.id);
        std::iter::once(self.account.id).chain(boosted)
    }

    /// Whether public and hashtag timelines show it: no boosts, no replies.
    pub(crate) fn is_public(&self) -> bool {
        self.visibility == "public" && self.reblog.is_none() && self.in_reply_to_id.is_none()
    }

    pub(crate) fn is_local(&self) -> bool {
        !self.account.acct.contains('@')
    }

    pub(crate) fn has_media(&self) -> bool {
        !self.media_attachments.is_empty()
    }

    /// What Mastodon calls this event.
    pub(crate) fn event(&self) -> &'static str {
        match self.edited_at {
            None => "update",
            Some(_) => "status.update",
        }
    }
}

/// Reads the sample file. A line there is one post on one timeline; here each post
/// happens once, and where it goes is decided anew.
pub(crate) fn load(path: &Path) -> Result<Vec<Happening>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut known = HashSet::new();
    let mut happenings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = |error| format!("{}:{}: {error}", path.display(), number + 1);
        let Line { topic, event } = serde_json::from_str(line).map_err(place)?;
        if !topic.starts_with("timeline:") {
            continue;
        }
        if topic.ends_with(":notifications") {
            let Notification { account } = serde_json::from_str(event.get()).map_err(place)?;
            happenings.push(Happening::Notice {
                by: account.id,
                json: event,
            });
        } else if let Ok(status) = serde_json::from_str::<Status>(event.get()) {
            // What is no status there is a deletion.
            if known.insert((status.id.clone(), status.edited_at.clone())) {
                happenings.push(Happening::Post(Post {
                    status,
                    json: event,
                }));
            }
        }
    }
    match happenings.is_empty() {
        true => Err(format!("{}: holds no posts", path.display()).into()),
        false => Ok(happenings),
    }
}

#[derive(Deserialize)]
struct Line {
    topic: String,
    event: Box<RawValue>,
}

#[derive(Deserialize)]
struct Notification {
    account: Account,
}

/// Mastodon's ids are strings that hold integers.
fn id<'de, D: serde::Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

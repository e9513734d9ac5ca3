//! Mastodon's API entities, field for field in the order of the wire.
//!
//! <https://docs.joinmastodon.org/entities/Status/> and the pages it links to.
//! Ids are strings that hold integers; an `Option` is a field that may be null
//! unless it says `skip_serializing_if`, which is a field that may be absent.

use serde::Serialize;

#[derive(Clone, Serialize)]
pub(crate) struct Status {
    pub(crate) id: String,
    pub(crate) created_at: String,
    pub(crate) in_reply_to_id: Option<String>,
    pub(crate) in_reply_to_account_id: Option<String>,
    pub(crate) sensitive: bool,
    pub(crate) spoiler_text: String,
    pub(crate) visibility: &'static str,
    pub(crate) language: Option<&'static str>,
    pub(crate) uri: String,
    pub(crate) url: Option<String>,
    pub(crate) replies_count: u64,
    pub(crate) reblogs_count: u64,
    pub(crate) favourites_count: u64,
    pub(crate) edited_at: Option<String>,
    pub(crate) content: String,
    pub(crate) reblog: Option<Box<Status>>,
    /// Of local authors who show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) application: Option<Application>,
    pub(crate) account: Account,
    pub(crate) media_attachments: Vec<MediaAttachment>,
    pub(crate) mentions: Vec<Mention>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) emojis: Vec<CustomEmoji>,
    pub(crate) quote: Option<Quote>,
    pub(crate) card: Option<PreviewCard>,
    pub(crate) poll: Option<Poll>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Application {
    pub(crate) name: &'static str,
    pub(crate) website: Option<&'static str>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) username: String,
    /// `name` for a local account, `name@host` for a remote one.
    pub(crate) acct: String,
    pub(crate) display_name: String,
    pub(crate) locked: bool,
    pub(crate) bot: bool,
    pub(crate) discoverable: Option<bool>,
    pub(crate) indexable: bool,
    pub(crate) group: bool,
    pub(crate) created_at: String,
    pub(crate) note: String,
    pub(crate) url: String,
    pub(crate) uri: String,
    pub(crate) avatar: String,
    pub(crate) avatar_static: String,
    pub(crate) header: String,
    pub(crate) header_static: String,
    pub(crate) followers_count: u64,
    pub(crate) following_count: u64,
    pub(crate) statuses_count: u64,
    pub(crate) last_status_at: Option<String>,
    pub(crate) hide_collections: Option<bool>,
    /// Local accounts only, as `roles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) noindex: Option<bool>,
    pub(crate) emojis: Vec<CustomEmoji>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roles: Option<Vec<Role>>,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) color: &'static str,
}

#[derive(Clone, Serialize)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) verified_at: Option<String>,
}

#[derive(Clone, Serialize)]
pub(crate) struct CustomEmoji {
    pub(crate) shortcode: &'static str,
    pub(crate) url: String,
    pub(crate) static_url: String,
    pub(crate) visible_in_picker: bool,
}

#[derive(Clone, Serialize)]
pub(crate) struct Mention {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) url: String,
    pub(crate) acct: String,
}

#[derive(Clone, Serialize)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) url: String,
}

#[derive(Clone, Serialize)]
pub(crate) struct MediaAttachment {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) url: String,
    pub(crate) preview_url: String,
    pub(crate) remote_url: Option<String>,
    pub(crate) preview_remote_url: Option<String>,
    pub(crate) text_url: Option<String>,
    pub(crate) meta: Meta,
    pub(crate) description: Option<String>,
    pub(crate) blurhash: Option<String>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Meta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) focus: Option<Focus>,
    pub(crate) original: Original,
    pub(crate) small: Picture,
}

#[derive(Clone, Serialize)]
pub(crate) struct Focus {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Original {
    Picture(Picture),
    Film {
        width: u64,
        height: u64,
        frame_rate: &'static str,
        duration: f64,
        bitrate: u64,
    },
}

#[derive(Clone, Serialize)]
pub(crate) struct Picture {
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) size: String,
    pub(crate) aspect: f64,
}

#[derive(Clone, Serialize)]
pub(crate) struct Quote {
    pub(crate) state: &'static str,
    pub(crate) quoted_status: Option<Box<Status>>,
}

#[derive(Clone, Serialize)]
pub(crate) struct PreviewCard {
    pub(crate) url: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) language: Option<&'static str>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) author_name: String,
    pub(crate) author_url: String,
    pub(crate) provider_name: String,
    pub(crate) provider_url: String,
    pub(crate) html: String,
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) image: Option<String>,
    pub(crate) image_description: String,
    pub(crate) embed_url: String,
    pub(crate) blurhash: Option<String>,
    pub(crate) published_at: Option<String>,
    pub(crate) authors: Vec<CardAuthor>,
}

#[derive(Clone, Serialize)]
pub(crate) struct CardAuthor {
    pub(crate) name: String,
    pub(crate) url: String,
    /// An author who is known as an account; never so here.
    pub(crate) account: Option<Box<Account>>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Poll {
    pub(crate) id: String,
    pub(crate) expires_at: Option<String>,
    pub(crate) expired: bool,
    pub(crate) multiple: bool,
    pub(crate) votes_count: u64,
    pub(crate) voters_count: Option<u64>,
    pub(crate) options: Vec<PollOption>,
    pub(crate) emojis: Vec<CustomEmoji>,
}

#[derive(Clone, Serialize)]
pub(crate) struct PollOption {
    pub(crate) title: String,
    pub(crate) votes_count: Option<u64>,
}

/// The stream's `delete`, whose payload is an id and no entity.
#[derive(Serialize)]
pub(crate) struct Delete {
    pub(crate) event: &'static str,
    pub(crate) payload: String,
}

#[derive(Serialize)]
pub(crate) struct Notification {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) created_at: String,
    pub(crate) group_key: String,
    pub(crate) account: Account,
    /// Absent when nobody's status is the subject, as in `follow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Box<Status>>,
}

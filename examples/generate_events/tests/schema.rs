//! The two formats as tables of fields, written from their documentation and
//! not from the structs of the generator, so that each checks the other.
//!
//! A table has `(name, kind)`; a kind is `string`, `url`, `id`, `time`, `bool`,
//! `int`, `float`, `list` or `object`, with `|null` when it may be null, and a
//! `?` at the end of the name when the field may be absent. No other field may
//! be there.

use serde_json::Value;

type Table = &'static [(&'static str, &'static str)];
type Checked = Result<(), String>;

const STATUS: Table = &[
    ("id", "id"),
    ("created_at", "time"),
    ("in_reply_to_id", "id|null"),
    ("in_reply_to_account_id", "id|null"),
    ("sensitive", "bool"),
    ("spoiler_text", "string"),
    ("visibility", "string"),
    ("language", "string|null"),
    ("uri", "url"),
    ("url", "url|null"),
    ("replies_count", "int"),
    ("reblogs_count", "int"),
    ("favourites_count", "int"),
    ("edited_at", "time|null"),
    ("content", "string"),
    ("reblog", "object|null"),
    ("application?", "object"),
    ("account", "object"),
    ("media_attachments", "list"),
    ("mentions", "list"),
    ("tags", "list"),
    ("emojis", "list"),
    ("quote", "object|null"),
    ("card", "object|null"),
    ("poll", "object|null"),
];

const ACCOUNT: Table = &[
    ("id", "id"),
    ("username", "string"),
    ("acct", "string"),
    ("display_name", "string"),
    ("locked", "bool"),
    ("bot", "bool"),
    ("discoverable", "bool|null"),
    ("indexable", "bool"),
    ("group", "bool"),
    ("created_at", "time"),
    ("note", "string"),
    ("url", "url"),
    ("uri", "url"),
    ("avatar", "url"),
    ("avatar_static", "url"),
    ("header", "url"),
    ("header_static", "url"),
    ("followers_count", "int"),
    ("following_count", "int"),
    ("statuses_count", "int"),
    ("last_status_at", "string|null"),
    ("hide_collections", "bool|null"),
    ("noindex?", "bool"),
    ("emojis", "list"),
    ("roles?", "list"),
    ("fields", "list"),
];

const MEDIA: Table = &[
    ("id", "id"),
    ("type", "string"),
    ("url", "url"),
    ("preview_url", "url"),
    ("remote_url", "url|null"),
    ("preview_remote_url", "url|null"),
    ("text_url", "url|null"),
    ("meta", "object"),
    ("description", "string|null"),
    ("blurhash", "string|null"),
];

const META: Table = &[
    ("focus?", "object"),
    ("original", "object"),
    ("small", "object"),
];

const PICTURE: Table = &[
    ("width", "int"),
    ("height", "int"),
    ("size", "string"),
    ("aspect", "float"),
];

const FILM: Table = &[
    ("width", "int"),
    ("height", "int"),
    ("frame_rate", "string"),
    ("duration", "float"),
    ("bitrate", "int"),
];

const CARD: Table = &[
    ("url", "url"),
    ("title", "string"),
    ("description", "string"),
    ("language", "string|null"),
    ("type", "string"),
    ("author_name", "string"),
    ("author_url", "string"),
    ("provider_name", "string"),
    ("provider_url", "string"),
    ("html", "string"),
    ("width", "int"),
    ("height", "int"),
    ("image", "url|null"),
    ("image_description", "string"),
    ("embed_url", "string"),
    ("blurhash", "string|null"),
    ("published_at", "time|null"),
    ("authors", "list"),
];

const POLL: Table = &[
    ("id", "id"),
    ("expires_at", "time|null"),
    ("expired", "bool"),
    ("multiple", "bool"),
    ("votes_count", "int"),
    ("voters_count", "int|null"),
    ("options", "list"),
    ("emojis", "list"),
];

const EMOJI: Table = &[
    ("shortcode", "string"),
    ("url", "url"),
    ("static_url", "url"),
    ("visible_in_picker", "bool"),
];

const NOTIFICATION: Table = &[
    ("id", "id"),
    ("type", "string"),
    ("created_at", "time"),
    ("group_key", "string"),
    ("account", "object"),
    ("status?", "object"),
];

const CHANGE: Table = &[
    ("$schema", "string"),
    ("meta", "object"),
    ("id?", "int"),
    ("type", "string"),
    ("namespace", "int"),
    ("title", "string"),
    ("title_url", "url"),
    ("comment", "string"),
    ("timestamp", "int"),
    ("user", "string"),
    ("bot", "bool"),
    ("notify_url?", "url"),
    ("minor?", "bool"),
    ("patrolled?", "bool"),
    ("length?", "object"),
    ("revision?", "object"),
    ("log_id?", "int"),
    ("log_type?", "string"),
    ("log_action?", "string"),
    ("log_params?", "any"),
    ("log_action_comment?", "string"),
    ("server_url", "url"),
    ("server_name", "string"),
    ("server_script_path", "string"),
    ("wiki", "string"),
    ("parsedcomment", "string"),
];

const CHANGE_META: Table = &[
    ("uri", "url"),
    ("request_id", "string"),
    ("id", "string"),
    ("domain", "string"),
    ("stream", "string"),
    ("dt", "time"),
    ("topic", "string"),
    ("partition", "int"),
    ("offset", "int"),
];

/// One line of the file.
pub(super) fn line(line: &Value) -> Checked {
    table(line, &[("topic", "string"), ("event", "object")], "")?;
    let (topic, event) = (line["topic"].as_str().unwrap_or_default(), &line["event"]);
    if let Some(wiki) = topic.strip_prefix("recentchange:") {
        ensure(event["wiki"] == wiki, "wiki: not that of the topic")?;
        return change(event);
    }
    ensure(topic.starts_with("timeline:"), "topic: of neither source")?;
    if topic.ends_with(":notifications") {
        return notification(event);
    }
    if event["event"] == "delete" {
        return table(event, &[("event", "string"), ("payload", "id")], "delete");
    }
    status(event)?;
    let tag = topic.strip_prefix("timeline:hashtag:");
    let has = |tag: &str| {
        list(&event["tags"])
            .iter()
            .any(|known| known["name"] == tag)
    };
    ensure(tag.is_none_or(has), "tags: without that of the topic")?;
    let is_shown_to_all = event["visibility"] == "public"
        && event["reblog"].is_null()
        && event["in_reply_to_id"].is_null();
    let is_public_topic = tag.is_some() || topic.starts_with("timeline:public");
    ensure(
        is_shown_to_all || !is_public_topic,
        "only public posts are for public timelines",
    )
}

fn status(status: &Value) -> Checked {
    table(status, STATUS, "status")?;
    one_of(
        status,
        "visibility",
        &["public", "unlisted", "private", "direct"],
    )?;
    account(&status["account"])?;
    each(status, "media_attachments", media)?;
    each(status, "mentions", |mention| {
        let fields = &[
            ("id", "id"),
            ("username", "string"),
            ("url", "url"),
            ("acct", "string"),
        ];
        table(mention, fields, "mention")
    })?;
    each(status, "tags", |tag| {
        table(tag, &[("name", "string"), ("url", "url")], "tag")
    })?;
    each(status, "emojis", |emoji| table(emoji, EMOJI, "emoji"))?;
    if let Some(application) = status.get("application") {
        table(
            application,
            &[("name", "string"), ("website", "url|null")],
            "application",
        )?;
    }
    present(status, "reblog", |original| {
        ensure(original["reblog"].is_null(), "reblog: of a boost")?;
        self::status(original)
    })?;
    present(status, "quote", |quote| {
        table(
            quote,
            &[("state", "string"), ("quoted_status", "object|null")],
            "quote",
        )?;
        present(quote, "quoted_status", self::status)
    })?;
    present(status, "card", |card| {
        one_of(card, "type", &["link", "photo", "video", "rich"])?;
        table(card, CARD, "card")?;
        each(card, "authors", |author| {
            let fields = &[
                ("name", "string"),
                ("url", "string"),
                ("account", "object|null"),
            ];
            table(author, fields, "author")
        })
    })?;
    present(status, "poll", |poll| {
        table(poll, POLL, "poll")?;
        each(poll, "options", |option| {
            table(
                option,
                &[("title", "string"), ("votes_count", "int|null")],
                "option",
            )
        })
    })
}

fn account(account: &Value) -> Checked {
    table(account, ACCOUNT, "account")?;
    let is_local = account["acct"] == account["username"];
    for field in ["noindex", "roles"] {
        ensure(
            account.get(field).is_some() == is_local,
            "account: noindex and roles are local",
        )?;
    }
    each(account, "emojis", |emoji| table(emoji, EMOJI, "emoji"))?;
    each(account, "fields", |field| {
        let fields = &[
            ("name", "string"),
            ("value", "string"),
            ("verified_at", "string|null"),
        ];
        table(field, fields, "field")
    })?;
    each(account, "roles", |role| {
        table(
            role,
            &[("id", "id"), ("name", "string"), ("color", "string")],
            "role",
        )
    })
}

fn media(media: &Value) -> Checked {
    table(media, MEDIA, "media")?;
    one_of(
        media,
        "type",
        &["image", "gifv", "video", "audio", "unknown"],
    )?;
    table(&media["meta"], META, "meta")?;
    let original = if media["type"] == "image" {
        PICTURE
    } else {
        FILM
    };
    table(&media["meta"]["original"], original, "original")?;
    table(&media["meta"]["small"], PICTURE, "small")
}

fn notification(notification: &Value) -> Checked {
    table(notification, NOTIFICATION, "notification")?;
    one_of(
        notification,
        "type",
        &["mention", "favourite", "reblog", "follow"],
    )?;
    account(&notification["account"])?;
    ensure(
        notification.get("status").is_none() == (notification["type"] == "follow"),
        "notification: a status unless it is of a follower",
    )?;
    present(notification, "status", status)
}

fn change(change: &Value) -> Checked {
    table(change, CHANGE, "change")?;
    table(&change["meta"], CHANGE_META, "meta")?;
    ensure(
        change["$schema"] == "/mediawiki/recentchange/1.0.0",
        "$schema",
    )?;
    one_of(change, "type", &["edit", "new", "log", "categorize"])?;
    let kind = change["type"].as_str().unwrap_or_default();
    let is_edit = matches!(kind, "edit" | "new");
    for field in ["minor", "length", "revision"] {
        ensure(
            change.get(field).is_some() == is_edit,
            "edits alone have minor, length, revision",
        )?;
    }
    for field in [
        "log_id",
        "log_type",
        "log_action",
        "log_params",
        "log_action_comment",
    ] {
        ensure(
            change.get(field).is_some() == (kind == "log"),
            "log entries alone have log_*",
        )?;
    }
    ensure(
        change.get("notify_url").is_some() == (kind != "log"),
        "notify_url",
    )?;
    if is_edit {
        let sides: Table = if kind == "edit" {
            &[("old", "int"), ("new", "int")]
        } else {
            &[("new", "int")]
        };
        table(&change["length"], sides, "length")?;
        table(&change["revision"], sides, "revision")?;
    }
    Ok(())
}

fn table(value: &Value, fields: &[(&str, &str)], place: &str) -> Checked {
    let Some(object) = value.as_object() else {
        return Err(format!("{place}: no object"));
    };
    for (name, kind) in fields {
        let (name, is_optional) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (*name, false),
        };
        match object.get(name) {
            Some(value) if is(value, kind) => {}
            Some(value) => return Err(format!("{place}.{name}: {value} is no {kind}")),
            None if is_optional => {}
            None => return Err(format!("{place}.{name}: missing")),
        }
    }
    let is_known = |name: &str| {
        fields
            .iter()
            .any(|(known, _)| known.trim_end_matches('?') == name)
    };
    match object.keys().find(|name| !is_known(name)) {
        Some(name) => Err(format!("{place}.{name}: not of this format")),
        None => Ok(()),
    }
}

fn is(value: &Value, kind: &str) -> bool {
    let text = value.as_str();
    match kind.strip_suffix("|null") {
        Some(kind) => value.is_null() || is(value, kind),
        None => match kind {
            "any" => true,
            "string" => text.is_some(),
            "url" => {
                text.is_some_and(|url| url.starts_with("https://") && !url.contains([' ', '"']))
            }
            "id" => text.is_some_and(|id| id.parse::<u64>().is_ok()),
            "time" => text.is_some_and(is_time),
            "bool" => value.is_boolean(),
            "int" => value.is_i64() || value.is_u64(),
            "float" => value.is_f64(),
            "list" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("no such kind: {other}"),
        },
    }
}

/// `2025-03-04T08:00:00.000Z`
fn is_time(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00.000Z";
    text.len() == shape.len()
        && text
            .chars()
            .zip(shape.chars())
            .all(|(c, s)| if s == '0' { c.is_ascii_digit() } else { c == s })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn each(value: &Value, field: &str, check: impl Fn(&Value) -> Checked) -> Checked {
    value
        .get(field)
        .map_or(&[][..], list)
        .iter()
        .try_for_each(check)
}

fn present(value: &Value, field: &str, check: impl Fn(&Value) -> Checked) -> Checked {
    value
        .get(field)
        .filter(|value| !value.is_null())
        .map_or(Ok(()), check)
}

fn one_of(value: &Value, field: &str, allowed: &[&str]) -> Checked {
    let is_allowed = allowed.iter().any(|name| value[field] == *name);
    ensure(
        is_allowed,
        &format!("{field}: {} is none of {allowed:?}", value[field]),
    )
}

fn ensure(holds: bool, what: &str) -> Checked {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

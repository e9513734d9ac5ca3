//! Publishes what people post, to everyone who is to see it.
//!
//! Both ways of fan-out are here. A post of somebody with a few followers is put on the
//! home timeline of each, as Mastodon does: one publish per follower. A post of
//! somebody whom everybody follows is put on one topic that the followers have
//! subscribed to: one publish, however many they are. Either way the bytes exist once.

use std::{convert::Infallible, time::Duration};

use distributary::{Attributes, Bytes, Hub, Publication};
use serde_json::value::RawValue;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    Failure, channel,
    database::{Audience, Database},
    posts::{Happening, Post, Status},
};

/// Who is told of all that happens to anybody, so that there is something to see: ann.
const NOTIFIED: i64 = 1;

/// Lets one thing happen after the other, over and over, with this time between them.
pub(crate) async fn run(
    hub: Hub,
    database: Database,
    happenings: Vec<Happening>,
    pause: Duration,
) -> Result<Infallible, Failure> {
    let mut clock = interval(pause);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for happening in &happenings {
            clock.tick().await;
            match happening {
                Happening::Post(post) => publish(&hub, &database, post).await?,
                Happening::Notice { by, json } => {
                    let message = message("notification", &["user", "user:notification"], json)?;
                    let attributes = Attributes::new().with("author", *by);
                    let topic = channel::notifications(NOTIFIED);
                    let publication = Publication::new(topic, message).attributes(attributes);
                    hub.publish_event(publication)?;
                }
            }
        }
    }
}

async fn publish(hub: &Hub, database: &Database, post: &Post) -> Result<(), Failure> {
    let Post { status, json } = post;
    // What filters look at, so that nobody has to parse the post for them.
    let mut attributes = Attributes::new();
    for author in status.authors() {
        attributes.push("author", author);
    }
    if let Some(language) = &status.language {
        attributes.push("language", language.as_str());
    }
    let (mut publishes, mut reached) = (0, 0);
    let mut put = |topic: String, message: &Bytes| -> Result<(), Failure> {
        let publication = Publication::new(topic, message.clone()).attributes(attributes.clone());
        reached += hub.publish_event(publication)?.subscriptions;
        publishes += 1;
        Ok(())
    };

    let user = message(status.event(), &["user"], json)?;
    match database.audience(status.account.id).await? {
        Audience::OwnTopic => put(channel::posts_of(status.account.id), &user)?,
        Audience::Each { followers, lists } => {
            for follower in followers {
                put(channel::home(follower), &user)?;
            }
            for list in lists {
                let stream = ["list", &list.to_string()];
                let message = message(status.event(), &stream, json)?;
                put(channel::list(list), &message)?;
            }
        }
    }
    for stream in public_streams(status) {
        let message = message(status.event(), &[&stream], json)?;
        put(channel::public(&stream), &message)?;
    }
    if status.is_public() {
        for tag in &status.tags {
            let tag = tag.name.to_lowercase();
            let all = message(status.event(), &["hashtag", &tag], json)?;
            put(channel::hashtag(&tag, false), &all)?;
            if status.is_local() {
                let local = message(status.event(), &["hashtag:local", &tag], json)?;
                put(channel::hashtag(&tag, true), &local)?;
            }
        }
    }
    println!(
        "@{} posts: publishes {publishes}, subscriptions reached {reached}",
        status.account.acct
    );
    Ok(())
}

/// The public streams that show a status.
fn public_streams(status: &Status) -> Vec<String> {
    if !status.is_public() {
        return Vec::new();
    }
    let place = if status.is_local() {
        "public:local"
    } else {
        "public:remote"
    };
    let mut streams = vec!["public".to_owned(), place.to_owned()];
    if status.has_media() {
        streams.push("public:media".to_owned());
        streams.push(format!("{place}:media"));
    }
    streams
}

/// A message as Mastodon's clients know it: the entity is a string inside.
fn message(event: &str, stream: &[&str], entity: &RawValue) -> Result<Bytes, Failure> {
    let message = serde_json::json!({
        "stream": stream,
        "event": event,
        "payload": entity.get(),
    });
    Ok(serde_json::to_vec(&message)?.into())
}

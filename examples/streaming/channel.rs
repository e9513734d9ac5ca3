//! What a client asks for: one of Mastodon's streams, by path or by query.

use distributary::{Filter, Predicate, Selector, SelectorError, field, gateway::Request};

use crate::database::Unwanted;

/// Every path that is served. What follows the first of them is a stream's name with
/// slashes for colons.
pub(crate) const PATHS: [&str; 9] = [
    "/api/v1/streaming",
    "/api/v1/streaming/user",
    "/api/v1/streaming/user/notification",
    "/api/v1/streaming/public",
    "/api/v1/streaming/public/local",
    "/api/v1/streaming/public/remote",
    "/api/v1/streaming/hashtag",
    "/api/v1/streaming/hashtag/local",
    "/api/v1/streaming/list",
];

#[derive(Debug, PartialEq)]
pub(crate) enum Channel {
    /// Home and notifications.
    User,
    Notifications,
    /// `public` with what may follow it: `:local`, `:remote`, each with `:media`.
    Public(String),
    Hashtag {
        tag: String,
        local: bool,
    },
    List(i64),
}

impl Channel {
    /// `None` where there is no such stream, or it lacks its tag or list.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let query = |name: &str| request.query_value(name).map(|value| value.into_owned());
        let below = request.path().strip_prefix(PATHS[0]).unwrap_or_default();
        let stream = match below.trim_matches('/') {
            "" => query("stream").unwrap_or_default(),
            path => path.replace('/', ":"),
        };
        let media = query("only_media").is_some_and(|value| value == "true" || value == "1");
        Channel::parse(&stream, media, query)
    }

    fn parse(stream: &str, media: bool, query: impl Fn(&str) -> Option<String>) -> Option<Self> {
        Some(match stream {
            "user" => Channel::User,
            "user:notification" => Channel::Notifications,
            "public" | "public:local" | "public:remote" if media => {
                Channel::Public(format!("{stream}:media"))
            }
            "public"
            | "public:local"
            | "public:remote"
            | "public:media"
            | "public:local:media"
            | "public:remote:media" => Channel::Public(stream.to_owned()),
            "hashtag" | "hashtag:local" => Channel::Hashtag {
                tag: query("tag").filter(|tag| !tag.is_empty())?.to_lowercase(),
                local: stream == "hashtag:local",
            },
            "list" => Channel::List(query("list")?.parse().ok()?),
            _ => return None,
        })
    }

    /// The right that a token must have been given. `None`: anybody may look.
    pub(crate) fn scope(&self) -> Option<&'static str> {
        match self {
            Channel::User => Some("read:statuses"),
            Channel::Notifications => Some("read:notifications"),
            Channel::List(_) => Some("read:lists"),
            Channel::Public(_) | Channel::Hashtag { .. } => None,
        }
    }
}

/// The topic of somebody's home timeline: posts are put there follower by follower.
pub(crate) fn home(account: i64) -> String {
    format!("timeline:{account}")
}

pub(crate) fn notifications(account: i64) -> String {
    format!("timeline:{account}:notifications")
}

/// The topic of somebody whom very many follow: a post is put there once.
pub(crate) fn posts_of(account: i64) -> String {
    format!("timeline:account:{account}")
}

pub(crate) fn list(list: i64) -> String {
    format!("timeline:list:{list}")
}

/// The topic of a public timeline, by the name of its stream.
pub(crate) fn public(stream: &str) -> String {
    format!("timeline:{stream}")
}

pub(crate) fn hashtag(tag: &str, local: bool) -> String {
    match local {
        true => format!("timeline:hashtag:{tag}:local"),
        false => format!("timeline:hashtag:{tag}"),
    }
}

/// These topics without what somebody does not want to see.
///
/// The filter is data: the hub looks at it before anything is queued, and evaluates it
/// once for all who have set the same. No code runs per client and event.
pub(crate) fn without(topics: &[String], unwanted: Unwanted) -> Result<Selector, SelectorError> {
    let selector = Selector::topics(topics)?;
    let Unwanted { authors, languages } = unwanted;
    let mut refused: Vec<Predicate> = Vec::new();
    if !authors.is_empty() {
        refused.push(field("author").one_of(authors));
    }
    if !languages.is_empty() {
        refused.push(field("language").one_of(languages));
    }
    let Some(refused) = refused.into_iter().reduce(|one, other| one | other) else {
        return Ok(selector);
    };
    // "Not one of these" also holds where there is no author or language at all, as in
    // a deletion.
    let filter: Filter = (!refused).compile()?;
    Ok(selector.filter(filter))
}

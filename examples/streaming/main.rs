//! A streaming server in Mastodon's shape: home, public, hashtag and list timelines
//! over WebSockets and Server-Sent Events, for the clients that exist.
//!
//! ```text
//! cargo run --release --example streaming --features gateway
//! curl -N http://127.0.0.1:4000/api/v1/streaming/public
//! curl -N -H 'Authorization: Bearer ann-token' http://127.0.0.1:4000/api/v1/streaming/user
//! websocat 'ws://127.0.0.1:4000/api/v1/streaming?stream=user&access_token=bob-token'
//! ```
//!
//! What it shows:
//!
//! - `authorize` is the application's own code. Here it asks an SQLite file who shows a
//!   token, what the token allows, whom its owner follows and what they do not want to
//!   see. The answer is a selector; the database is not asked again for any event.
//! - What a user does not want to see is a filter of that selector: data, not a closure
//!   that runs for every client and event.
//! - A home timeline is one subscription to several topics: what was put there for this
//!   user alone, notifications, and one topic for each account that everybody follows.
//!   See `poster.rs` for the two ways of fan-out.
//! - SIGTERM drains: clients leave spread over some seconds instead of all at once.
//!
//! A message of an SSE stream is the same JSON as on a WebSocket, in one `data:`. What a
//! connection sees is said by its URL alone: messages that subscribe to further streams
//! on the same connection are not taken here.

#[path = "../arguments.rs"]
mod arguments;
mod channel;
mod database;
#[macro_use]
#[path = "../pipe.rs"]
mod pipe;
mod poster;
mod posts;

use std::{collections::BTreeMap, error::Error, path::Path, process::ExitCode, time::Duration};

use distributary::{
    Hub,
    gateway::{Accept, Gateway, Limits, Reject, Request},
};
use tokio::signal::unix::{SignalKind, signal};

use channel::Channel;
use database::{Database, Unwanted, Viewer};
use posts::Happening;

const USAGE: &str = "\
A streaming server in Mastodon's shape.

Usage: streaming [--address A] [--admin A] [--database FILE] [--rate N]

  --address A      where clients connect (default 127.0.0.1:4000; port 0 is any)
  --admin A        where /metrics and /healthz are answered (default 127.0.0.1:4001)
  --database FILE  an SQLite file, made and filled when it is not there
                   (default streaming.sqlite3 in the directory for temporary files)
  --rate N         posts in a second, 0.1 to 10000 (default 2)
  --help           this text

It ends on SIGTERM or SIGINT, within seconds.
";

/// What people post.
const POSTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/events.jsonl");

/// How long clients are sent away for at the end.
const DRAIN: Duration = Duration::from_secs(3);

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let temporary = std::env::temp_dir().join("streaming.sqlite3");
    let options = [
        ("--address", "127.0.0.1:4000"),
        ("--admin", "127.0.0.1:4001"),
        ("--database", &temporary.to_string_lossy()),
        ("--rate", "2"),
    ];
    let [address, admin, database, rate] = arguments::parse(USAGE, options);
    let rate: f64 = arguments::read(USAGE, "--rate", &rate, "a number");
    let pause = Duration::from_secs_f64(1.0 / rate.clamp(0.1, 10_000.0));
    match run(&address, &admin, Path::new(&database), pause) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streaming: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(address: &str, admin: &str, file: &Path, pause: Duration) -> Result<(), Failure> {
    let happenings = posts::load(Path::new(POSTS))?;
    let database = Database::open(file, &authors(&happenings))
        .map_err(|error| format!("{}: {error}", file.display()))?;

    let hub = Hub::new();
    let asked = database.clone();
    let mut builder = Gateway::builder(&hub)
        .authorize(move |request| authorize(asked.clone(), request))
        // A token may come as the name of a protocol; so none of the gateway's own.
        .json_protocol(false)
        .limits(Limits::default().handshakes(256).per_address(20_000))
        .address(address)?
        .admin(admin)?;
    for path in channel::PATHS {
        builder = builder.path(path);
    }
    let gateway = builder.start().await?;
    invite(&gateway, file);

    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        failed = poster::run(hub, database, happenings, pause) => match failed {
            Ok(never) => match never {},
            Err(error) => return Err(error),
        },
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    println!("sending {} clients away", gateway.stats().open);
    gateway.drain(DRAIN).await;
    gateway.close().await;
    Ok(())
}

/// Who is this, and what may they see?
async fn authorize(database: Database, request: Request) -> Result<Accept<Option<Viewer>>, Reject> {
    let channel = Channel::of(&request)
        .ok_or_else(|| bad_request("no such stream, or it wants a tag or a list"))?;
    let token = Token::of(&request);
    let viewer = match &token {
        None => None,
        Some(token) => {
            let viewer = database.viewer(token.text.clone()).await;
            Some(
                viewer
                    .map_err(unavailable)?
                    .ok_or_else(|| refused("this token is not known"))?,
            )
        }
    };
    if let Some(scope) = channel.scope() {
        let viewer = viewer
            .as_ref()
            .ok_or_else(|| refused("a token is needed"))?;
        if !viewer.may(scope) {
            return Err(refused("this token does not allow that"));
        }
    }

    let account = viewer.as_ref().map(|viewer| viewer.account);
    let unwanted = match account {
        Some(account) => database.unwanted(account).await.map_err(unavailable)?,
        None => Unwanted::default(),
    };
    let topics = match (&channel, account) {
        (Channel::User, Some(account)) => {
            let followed = database
                .followed_topics(account)
                .await
                .map_err(unavailable)?;
            let mut topics = vec![channel::home(account), channel::notifications(account)];
            topics.extend(followed.into_iter().map(channel::posts_of));
            topics
        }
        (Channel::Notifications, Some(account)) => vec![channel::notifications(account)],
        (Channel::List(list), Some(account)) => {
            if !database
                .owns_list(account, *list)
                .await
                .map_err(unavailable)?
            {
                return Err(refused("this list is not yours"));
            }
            vec![channel::list(*list)]
        }
        (Channel::Public(stream), _) => vec![channel::public(stream)],
        (Channel::Hashtag { tag, local }, _) => vec![channel::hashtag(tag, *local)],
        // What has a scope has an account by now.
        _ => return Err(refused("a token is needed")),
    };
    let selector =
        channel::without(&topics, unwanted).map_err(|error| bad_request(&error.to_string()))?;

    let accept = Accept::new(viewer).subscribe(selector);
    // Browsers want the protocol that they offered to be chosen.
    Ok(match token.and_then(|token| token.offered) {
        Some(protocol) => accept.protocol(protocol),
        None => accept,
    })
}

/// An access token, wherever a client has put it.
struct Token {
    text: String,
    /// The WebSocket subprotocol that it came as.
    offered: Option<http::HeaderValue>,
}

impl Token {
    fn of(request: &Request) -> Option<Self> {
        let plain = |text: String| Token {
            text,
            offered: None,
        };
        if let Some(token) = request.bearer() {
            return Some(plain(token.to_owned()));
        }
        if let Some(token) = request.query_value("access_token") {
            return Some(plain(token.into_owned()));
        }
        let offered = request.protocols().next()?;
        Some(Token {
            text: offered.to_owned(),
            offered: offered.parse().ok(),
        })
    }
}

fn bad_request(why: &str) -> Reject {
    let refusal = Reject::bad_request();
    refusal.body(format!("{why}\n"))
}

fn refused(why: &str) -> Reject {
    Reject::unauthorized().body(format!("{why}\n"))
}

fn unavailable(error: Failure) -> Reject {
    eprintln!("the database: {error}");
    let later = Reject::new(503).expect("503 refuses");
    later.retry_after(Duration::from_secs(5))
}

/// Everybody who posts.
fn authors(happenings: &[Happening]) -> Vec<posts::Account> {
    let mut authors = BTreeMap::new();
    for happening in happenings {
        if let Happening::Post(post) = happening {
            let account = &post.status.account;
            authors.entry(account.id).or_insert_with(|| account.clone());
        }
    }
    authors.into_values().collect()
}

/// Says what to try.
fn invite(gateway: &Gateway, file: &Path) {
    let (Some(address), Some(admin)) = (gateway.address(), gateway.admin_address()) else {
        return;
    };
    println!(
        "\
listening on {address}, accounts in {}

  curl -N http://{address}/api/v1/streaming/public
  curl -N 'http://{address}/api/v1/streaming/hashtag?tag=photography'
  curl -N -H 'Authorization: Bearer ann-token' http://{address}/api/v1/streaming/user
  curl -N 'http://{address}/api/v1/streaming/list?list=1&access_token=ann-token'
  websocat 'ws://{address}/api/v1/streaming?stream=user&access_token=bob-token'
  in a browser: new WebSocket('ws://{address}/api/v1/streaming?stream=user', 'ann-token').onmessage = m => console.log(m.data)
  curl http://{admin}/metrics
",
        file.display()
    );
}

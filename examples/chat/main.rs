//! A chat: rooms with history, who is there, and a page to talk in.
//!
//! ```text
//! cargo run --release --example chat --features gateway
//! ```
//!
//! Open the address that it prints in two windows, as ann and as bob.
//!
//! What it shows:
//!
//! - Taking over: the server is axum. It serves the page, knows who a user is, and hands
//!   the WebSocket to the gateway with [`Gateway::upgrade`].
//! - The JSON protocol: clients subscribe by themselves, `on_subscribe` says whether a
//!   room is open to them; what they say comes to `on_message`, is checked, and is
//!   published; `on_end` tells the room that they have left.
//! - Load, then subscribe from there: `/rooms` says where each room's last messages
//!   begin, and a subscription from that position gets them and all that follows,
//!   without a gap and without a message twice. So does one that comes back.

#[path = "../arguments.rs"]
mod arguments;
#[macro_use]
#[path = "../pipe.rs"]
mod pipe;
mod rooms;

use std::{
    collections::BTreeSet,
    error::Error,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Query, Request, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use distributary::{
    Topic,
    gateway::{Accept, Client, Denied, Gateway, Limits, Message, Reject, Wish},
};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use rooms::Rooms;

const USAGE: &str = "\
A chat with rooms, history and a page.

Usage: chat [--address A]

  --address A   where the page is (default 127.0.0.1:4020; port 0 is any)
  --help        this text
";

/// The most characters of a message.
const LONGEST: usize = 500;

/// How long a client that lost its connection may come back without being asked again.
const COME_BACK: Duration = Duration::from_secs(60);

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Who sits at a connection: the session of a client.
struct User {
    name: String,
    /// The rooms that this connection is in.
    rooms: Mutex<BTreeSet<Topic>>,
}

struct Chat {
    rooms: Arc<Rooms>,
    gateway: Gateway,
}

fn main() -> ExitCode {
    let [address] = arguments::parse(USAGE, [("--address", "127.0.0.1:4020")]);
    match run(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(address: &str) -> Result<(), Failure> {
    let rooms = Arc::new(Rooms::new()?);
    let gateway = gateway(&rooms).await?;
    let chat = Arc::new(Chat { rooms, gateway });
    let app = Router::new()
        .route("/", get(async || Html(include_str!("index.html"))))
        .route("/distributary.js", get(script))
        .route("/rooms", get(list))
        .route("/socket", any(socket))
        .with_state(Arc::clone(&chat));
    let listener = TcpListener::bind(address).await?;
    println!("listening on {0}, open http://{0}", listener.local_addr()?);

    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = axum::serve(listener, app) => ended?,
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    // Everybody is told when to come back, one after the other.
    chat.gateway.drain(Duration::from_secs(2)).await;
    Ok(())
}

/// A gateway that listens nowhere: connections come from axum.
async fn gateway(rooms: &Arc<Rooms>) -> Result<Gateway, Failure> {
    let [asked, told, left] = [(); 3].map(|()| Arc::clone(rooms));
    let gateway = Gateway::builder(rooms.hub())
        .authorize(async |_| Err::<Accept<User>, _>(Reject::forbidden()))
        .on_subscribe(move |client, wish| {
            let granted = admit(&asked, &client, wish);
            async { granted }
        })
        .on_message(move |client, message| {
            if let Err(error) = say(&told, &client.session(), message) {
                let answer = serde_json::json!({ "error": error });
                client.send(Message::Text(answer.to_string()));
            }
        })
        .on_end(move |client, _| {
            let user = client.session();
            let rooms =
                std::mem::take(&mut *user.rooms.lock().unwrap_or_else(PoisonError::into_inner));
            for topic in rooms {
                if let Some(room) = left.by_topic(&topic, &user.name) {
                    left.leave(room, &user.name);
                }
            }
        })
        .limits(Limits::default().max_message(4 << 10).max_subscriptions(10))
        .start()
        .await?;
    Ok(gateway)
}

/// May this user be in the room?
fn admit(rooms: &Rooms, client: &Client<User>, wish: Wish) -> Result<Wish, Denied> {
    let user = client.session();
    let topics: Vec<&Topic> = wish.selector.named_topics().collect();
    let ([topic], None) = (&topics[..], wish.selector.named_patterns().next()) else {
        return Err(Denied::new("ask for one room at a time"));
    };
    let room = rooms.by_topic(topic, &user.name);
    let room = room.ok_or_else(|| Denied::new("there is no such room for you"))?;
    let mut entered = user.rooms.lock().unwrap_or_else(PoisonError::into_inner);
    if entered.insert(Topic::clone(topic)) {
        rooms.enter(room, &user.name);
    }
    drop(entered);
    Ok(wish)
}

/// What a user says, if it can be said.
fn say(rooms: &Rooms, user: &User, message: Message) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Said {
        room: String,
        text: String,
    }

    let Message::Text(message) = message else {
        return Err("send JSON".to_owned());
    };
    let Said { room, text } = serde_json::from_str(&message).map_err(|error| error.to_string())?;
    let room = rooms.with(&room, &user.name);
    let room = room.ok_or("you are not in that room")?;
    match text.trim() {
        "" => Err("say something".to_owned()),
        text if text.chars().count() > LONGEST => Err(format!("at most {LONGEST} characters")),
        text => {
            rooms.say(room, &user.name, text);
            Ok(())
        }
    }
}

#[derive(Deserialize)]
struct Who {
    user: String,
}

impl Who {
    /// Who it is, taken at their word. A server of yours looks at a cookie here.
    fn name(&self) -> Option<&str> {
        let name = self.user.trim();
        let plain = name.chars().all(|letter| letter.is_alphanumeric());
        (plain && !name.is_empty() && name.len() <= 32).then_some(name)
    }
}

/// The WebSocket: from here on the gateway has it.
async fn socket(
    State(chat): State<Arc<Chat>>,
    Query(who): Query<Who>,
    mut request: Request,
) -> Response {
    // One who was cut off shows a ticket and is let in as before.
    if let Some(answer) = chat.gateway.readmit::<_, Body>(&mut request) {
        return answer.unwrap_or_else(|refused| refused.response());
    }
    let Some(name) = who.name() else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let user = User {
        name: name.to_owned(),
        rooms: Mutex::default(),
    };
    let accept = Accept::new(user).ticket(COME_BACK);
    let answer = chat.gateway.upgrade(&mut request, accept);
    answer.unwrap_or_else(|refused| refused.response())
}

/// The rooms that are open to somebody.
async fn list(State(chat): State<Arc<Chat>>, Query(who): Query<Who>) -> Response {
    let Some(name) = who.name() else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let rooms = chat.rooms.open_to(name);
    match serde_json::to_string(&rooms) {
        Ok(rooms) => ([(header::CONTENT_TYPE, "application/json")], rooms).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn script() -> impl IntoResponse {
    let script = include_str!("../browser/distributary.js");
    ([(header::CONTENT_TYPE, "text/javascript")], script)
}

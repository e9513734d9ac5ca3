//! The end of the demo: the same, with real sockets. This process serves a gateway, a
//! second one holds thousands of WebSocket clients that all follow one account.
//!
//! First everybody is connected and nothing happens; then posts go out, each when the
//! one before has reached the last client; then several go out at once, and in the
//! middle of them a part of the clients leaves. An unrelated connection pings all the
//! time.

mod client;
pub(crate) mod clients;
mod frames;
pub(crate) mod link;
mod pings;
mod report;

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use distributary::{
    Budget, Hub, Selector, Stats, Topic,
    gateway::{Accept, Gateway, GatewayStats, Limits, Request},
};
use tokio::runtime::Runtime;

use super::{
    Failure,
    checks::Check,
    events::Entry,
    memory::Resident,
    progress::Progress,
    text::{count, share},
};
use link::{Clients, Order, Phase, Report, Stamp, Summary, now};

/// Posts that go out one after the other.
const SINGLE: usize = 20;
/// Posts that then go out in a row.
const ROW: usize = 10;
/// One of so many leaves.
const LEAVING: usize = 20;
/// How long is pinged before anything goes out.
const IDLE: Duration = Duration::from_secs(1);
/// The bytes of an everyday post.
const USUAL: Range<usize> = 1 << 10..4 << 10;
/// Descriptors that each process needs for other things.
const SPARE: u64 = 128;
/// How long the gateway may take to notice who has left.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was measured.
pub(crate) struct Sockets {
    pub(crate) topic: Topic,
    /// How large the smallest and the largest post are.
    pub(crate) bytes: [usize; 2],
    pub(crate) clients: usize,
    /// How many were asked for.
    pub(crate) wanted: usize,
    pub(crate) connecting: Duration,
    /// From each single publish to the last client.
    pub(crate) single: Vec<Duration>,
    /// From the first publish of the row to the last client's last post.
    pub(crate) row: Duration,
    /// From each disconnect until the gateway was done with it.
    pub(crate) noticed: Vec<Duration>,
    /// From the first disconnect until the gateway was done with the last.
    pub(crate) all_noticed: Duration,
    pub(crate) summary: Summary,
    /// With nobody connected, everybody connected, after all posts.
    pub(crate) memory: [Option<Resident>; 3],
    pub(crate) lanes: usize,
    hub: Stats,
    gateway: GatewayStats,
    left: usize,
}

/// This process's side.
struct Server {
    runtime: Runtime,
    hub: Hub,
    gateway: Gateway,
    /// When the gateway was done with each client; 0 while it is connected.
    ended: Arc<[AtomicU64]>,
    lanes: usize,
}

impl Server {
    fn start(topic: &Topic, clients: usize) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let budget = Budget::default().events(4 * (SINGLE + ROW))?;
        let hub = Hub::builder().budget(budget).build()?;
        // The clients need the other half of the cores.
        let lanes = thread::available_parallelism()
            .map_or(1, usize::from)
            .div_ceil(2);
        let ended: Arc<[AtomicU64]> = (0..clients).map(|_| AtomicU64::new(0)).collect();
        let (followed, book) = (topic.clone(), Arc::clone(&ended));
        let gateway = Gateway::builder(&hub)
            .authorize(move |request: Request| {
                let accept = admit(&request, &followed);
                async move { Ok(accept) }
            })
            .on_end(move |client, _| {
                if let Some(ended) = client.session().and_then(|number| book.get(number)) {
                    ended.store(now(), SeqCst);
                }
            })
            .limits(Limits::default().lanes(lanes))
            .address("127.0.0.1:0")?;
        let gateway = runtime.block_on(gateway.start())?;
        Ok(Server {
            runtime,
            hub,
            gateway,
            ended,
            lanes,
        })
    }

    fn ended(&self, number: usize) -> Stamp {
        self.ended.get(number).map_or(0, |ended| ended.load(SeqCst))
    }
}

/// Clients have numbers and follow the account; who has none follows nobody.
fn admit(request: &Request, followed: &Topic) -> Accept<Option<usize>> {
    let name = request.query_value("name");
    let number = name.and_then(|name| name.parse().ok());
    let accept = Accept::new(number);
    match number {
        Some(_) => accept.subscribe(Selector::from(followed)),
        None => accept,
    }
}

/// Runs it with so many clients, or as many as the system allows.
pub(crate) fn run(
    entries: &[Entry],
    topic: &Topic,
    wanted: usize,
    progress: &mut Progress,
) -> Result<Sockets, Failure> {
    let room = rlimit::increase_nofile_limit(wanted as u64 + SPARE)?.saturating_sub(SPARE);
    let clients = wanted.min(room as usize);
    if clients == 0 {
        return Err("the system allows no descriptors for sockets: raise `ulimit -n`".into());
    }
    let posts = usual(entries, topic);
    let sizes = posts.iter().map(Bytes::len);
    let bytes = [sizes.clone().min(), sizes.max()].map(|size| size.unwrap_or(0));
    let texts = posts
        .iter()
        .map(|post| Ok(std::str::from_utf8(post)?.to_owned()));
    let texts = texts.collect::<Result<Vec<_>, Failure>>()?;

    let before = Resident::read();
    let server = Server::start(topic, clients)?;
    let address = server
        .gateway
        .address()
        .ok_or("the gateway does not listen")?;
    let mut crowd = Clients::start()?;
    let start = Instant::now();
    crowd.tell(&Order::Connect {
        address,
        count: clients,
        posts: texts,
    })?;
    loop {
        match crowd.next()? {
            Report::Connecting(part) => {
                progress.step(|| format!("sockets  {} connected", share(part, clients)));
            }
            Report::Ready => break,
            _ => return Err("the clients' process answers something else".into()),
        }
    }
    let connecting = start.elapsed();
    let connected = Resident::read();
    thread::sleep(IDLE);

    crowd.order(&Order::Phase(Phase::Busy))?;
    let mut posts = posts.into_iter().cycle();
    let mut publish = || -> Result<(), Failure> {
        let post = posts.next().ok_or("there are no posts")?;
        Ok(server.hub.publish(topic, post).map(drop)?)
    };
    let mut single = Vec::with_capacity(SINGLE);
    for number in 1..=SINGLE {
        crowd.order(&Order::Expect(number))?;
        let start = now();
        publish()?;
        single.push(since(start, received(&mut crowd)?));
        progress.step(|| format!("sockets  {} posts out", share(number, SINGLE)));
    }

    // Half of the row's posts have come when some leave.
    let left = (clients / LEAVING).max(1);
    let after = clients * SINGLE + clients * ROW / 2;
    crowd.order(&Order::Leave {
        count: left,
        after: after as u64,
    })?;
    crowd.order(&Order::Expect(SINGLE + ROW))?;
    let start = now();
    for _ in 0..ROW {
        publish()?;
    }
    let row = since(start, received(&mut crowd)?);
    let deadline = Instant::now() + PATIENCE;
    let gone = |server: &Server| (0..clients).filter(|n| server.ended(*n) > 0).count();
    while gone(&server) < left && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    let end = Resident::read();
    crowd.order(&Order::Hush)?;

    // What has been sent is read to the end, and everybody is told to go.
    let ended: Vec<Stamp> = (0..clients).map(|number| server.ended(number)).collect();
    let lanes = server.lanes;
    let Server {
        runtime,
        hub,
        gateway,
        ..
    } = server;
    let stats = gateway.stats();
    runtime.block_on(gateway.close());
    crowd.tell(&Order::End)?;
    let Report::Summary(summary) = crowd.next()? else {
        return Err("the clients' process answers something else".into());
    };
    drop(crowd);
    let said = format!(
        "{} posts to {} clients",
        SINGLE + ROW,
        count(clients as u64)
    );
    progress.done(&format!("sockets  {said}, {} left", count(left as u64)));

    let mut noticed = Vec::with_capacity(left);
    for (number, stamp) in &summary.left {
        if ended[*number] > 0 {
            noticed.push(since(*stamp, ended[*number]));
        }
    }
    let first = summary.left.iter().map(|(_, stamp)| *stamp).min();
    let last = summary.left.iter().map(|(number, _)| ended[*number]).max();
    Ok(Sockets {
        topic: topic.clone(),
        bytes,
        clients,
        wanted,
        connecting,
        single,
        row,
        noticed,
        all_noticed: since(first.unwrap_or(0), last.unwrap_or(0)),
        summary,
        memory: [before, connected, end],
        lanes,
        hub: hub.stats(),
        gateway: stats,
        left,
    })
}

impl Sockets {
    pub(crate) fn closed_writes(&self) -> u64 {
        self.gateway.closed_writes + self.hub.closed_writes
    }

    /// Whether everybody got what they should.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let summary = &self.summary;
        let posts = SINGLE + ROW;
        let stayed = self.clients - self.left;
        let said = count(stayed as u64);
        let equal = |what: String, counted: usize, expected: usize| {
            Check::equal(what, counted as u64, expected as u64)
        };
        vec![
            equal(
                format!("sockets: {said} who stayed got all {posts} posts, in order"),
                summary.complete,
                stayed,
            ),
            equal(
                "sockets: messages out of turn, whoever got them".to_owned(),
                summary.out_of_turn as usize,
                0,
            ),
            equal(
                "sockets: messages after a close".to_owned(),
                summary.after_close as usize,
                0,
            ),
            equal(
                format!("sockets: {} who left were noticed", count(self.left as u64)),
                self.noticed.len(),
                self.left,
            ),
            equal(
                "sockets: everybody else was sent away at the end".to_owned(),
                summary.sent_away,
                stayed,
            ),
            equal(
                "sockets: writes to closed sinks".to_owned(),
                self.closed_writes() as usize,
                0,
            ),
        ]
    }
}

/// The next time at which everybody has what was expected.
fn received(crowd: &mut Clients) -> Result<Stamp, Failure> {
    loop {
        match crowd.next()? {
            Report::Received(stamp) => return Ok(stamp),
            Report::Left => {}
            _ => return Err("the clients' process answers something else".into()),
        }
    }
}

fn since(start: Stamp, end: Stamp) -> Duration {
    Duration::from_nanos(end.saturating_sub(start))
}

/// The posts of a topic that have an everyday size; all of them if none has.
fn usual(entries: &[Entry], topic: &Topic) -> Vec<Bytes> {
    let posts = entries.iter().filter(|entry| entry.topic == *topic);
    let posts = posts.map(|entry| entry.payload.clone());
    let (usual, other): (Vec<_>, Vec<_>) = posts.partition(|post| USUAL.contains(&post.len()));
    match usual.is_empty() {
        true => other,
        false => usual,
    }
}

//! Topics that move to another name or another server under load: nothing is lost,
//! nothing comes twice, and whoever would lose something stands in the way.

use std::{
    collections::HashSet,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use distributary::{
    Hub, Selector, Subscription, TryRecvError,
    redis::{
        Demands, Mode, Redis,
        migration::{Course, Migration, MigrationError, Moving, Side, Stage},
    },
};

use crate::{
    hubs::kill_hubs,
    rig::{Cluster, Flow, Plan, Proxy, Server, until},
};

const TOPIC: &str = "documents";
const NAME: &str = "documents.v2";

/// Long enough for whatever works.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn redis(server: &Server) -> Redis {
    Redis::at(server.url())
        .unwrap()
        .linger(Duration::from_millis(200))
        .build()
        .unwrap()
}

/// The same with logs.
fn replaying(server: &Server) -> Redis {
    Redis::at(server.url())
        .unwrap()
        .mode("documents*", Mode::Replay)
        .unwrap()
        .build()
        .unwrap()
}

/// Where a test's topic moves to.
#[derive(Clone, Copy)]
enum Way<'a> {
    Name,
    Server(&'a Server),
    Cluster(&'a Cluster),
}

impl Way<'_> {
    fn course(self, redis: fn(&Server) -> Redis) -> Course {
        let course = Course::of(TOPIC).unwrap().quiet(Duration::from_millis(300));
        match self {
            Way::Name => course.to(NAME).unwrap(),
            Way::Server(server) => course.onto(redis(server)),
            Way::Cluster(cluster) => {
                let onto = Redis::cluster(cluster.urls()).unwrap();
                course.onto(onto.build().unwrap())
            }
        }
    }
}

struct Node {
    hub: Hub,
    migration: Migration,
    heard: JoinHandle<Vec<String>>,
    count: Arc<AtomicUsize>,
    publishing: Option<JoinHandle<usize>>,
    ended: Arc<AtomicBool>,
}

/// The last event of a test.
const END: &str = "end";

/// Takes everything until the end, and counts it meanwhile.
fn collect(mut subscription: Subscription, count: Arc<AtomicUsize>) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut heard = Vec::new();
        loop {
            let next = subscription.recv_deadline(Instant::now() + Duration::from_secs(60));
            let event = match next {
                Ok(event) => event,
                Err(TryRecvError::Closed(_)) => return heard,
                Err(error) => panic!("{error}"),
            };
            let text = String::from_utf8(event.payload().to_vec()).unwrap();
            if text == END {
                return heard;
            }
            heard.push(text);
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
}

impl Node {
    fn start(server: &Server, way: Way<'_>, stage: Stage) -> Self {
        Node::of(redis, server, way, stage)
    }

    fn of(redis: fn(&Server) -> Redis, server: &Server, way: Way<'_>, stage: Stage) -> Self {
        let moving = Moving::on(redis(server));
        let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        let subscription = hub.subscribe(Selector::topic(TOPIC).unwrap()).unwrap();
        let migration = moving.begin(way.course(redis), stage).unwrap();
        assert!(hub.joined().wait(soon()), "{:?}", hub.health());
        let count = Arc::<AtomicUsize>::default();
        Node {
            heard: collect(subscription, Arc::clone(&count)),
            count,
            hub,
            migration,
            publishing: None,
            ended: Arc::default(),
        }
    }

    /// Publishes `name:0`, `name:1` and so on until it is ended.
    fn publish(&mut self, name: &'static str) {
        let (hub, ended) = (self.hub.clone(), Arc::clone(&self.ended));
        self.publishing = Some(thread::spawn(move || {
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                hub.publish(TOPIC, format!("{name}:{number}")).unwrap();
                number += 1;
                thread::sleep(Duration::from_millis(2));
            }
            number
        }));
    }

    /// How many it has published.
    fn end(&mut self) -> usize {
        self.ended.store(true, Ordering::Relaxed);
        let publishing = self.publishing.take();
        publishing.map_or(0, |thread| thread.join().unwrap())
    }

    /// Once nothing but time is in the way.
    #[track_caller]
    fn enter(&self, stage: Stage) {
        let mut last = None;
        until("a stage is entered", || {
            match self.migration.enter(stage, soon()) {
                Ok(()) => true,
                Err(error) => {
                    if last.as_ref() != Some(&error.to_string()) {
                        println!("{stage}: {error}");
                        last = Some(error.to_string());
                    }
                    false
                }
            }
        });
        assert_eq!(self.migration.stage(), stage);
    }
}

/// Somebody who publishes without knowing of migrations, where they are told to.
struct Plain {
    /// To the old side, to the new side.
    sides: Arc<[AtomicBool; 2]>,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Plain {
    fn start(old: &Server, way: Way<'_>) -> Self {
        let sides = Arc::new([AtomicBool::new(true), AtomicBool::new(false)]);
        let ended = Arc::new(AtomicBool::new(false));
        let (new, name) = match way {
            Way::Name => (old, NAME),
            Way::Server(server) => (server, TOPIC),
            Way::Cluster(cluster) => (&cluster.nodes[0], TOPIC),
        };
        let mut consoles = [
            (old.console().unwrap(), TOPIC),
            (new.console().unwrap(), name),
        ];
        let thread = {
            let (sides, ended) = (Arc::clone(&sides), Arc::clone(&ended));
            thread::spawn(move || {
                let mut number = 0;
                while !ended.load(Ordering::Relaxed) {
                    let payload = format!("plain:{number}");
                    for (at, (console, channel)) in consoles.iter_mut().enumerate() {
                        if sides[at].load(Ordering::Relaxed) {
                            console.ask(&["PUBLISH", channel, &payload]).unwrap();
                        }
                    }
                    number += 1;
                    thread::sleep(Duration::from_millis(2));
                }
                number
            })
        };
        Plain {
            sides,
            ended,
            thread,
        }
    }

    fn write(&self, old: bool, new: bool) {
        // Both for a moment rather than neither.
        for (side, on) in self.sides.iter().zip([old, new]) {
            if on {
                side.store(true, Ordering::Relaxed);
            }
        }
        for (side, on) in self.sides.iter().zip([old, new]) {
            side.store(on, Ordering::Relaxed);
        }
    }

    fn end(self) -> usize {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Every event once; in order where that is promised.
#[track_caller]
fn complete(heard: &[String], published: &[(&str, usize)], in_order: bool) {
    let distinct: HashSet<_> = heard.iter().collect();
    let duplicates = heard.len() - distinct.len();
    let mut missing = 0;
    for (name, count) in published {
        let lost: Vec<usize> = (0..*count)
            .filter(|number| !distinct.contains(&format!("{name}:{number}")))
            .collect();
        if let (Some(first), Some(last)) = (lost.first(), lost.last()) {
            println!("{name}: lost {} from {first} to {last}", lost.len());
        }
        missing += lost.len();
        if in_order {
            let prefix = format!("{name}:");
            let numbers: Vec<usize> = heard
                .iter()
                .filter_map(|text| text.strip_prefix(&prefix)?.parse().ok())
                .collect();
            assert!(numbers.is_sorted(), "{name} is out of order");
        }
    }
    println!(
        "heard {} of {published:?}: {missing} lost, {duplicates} duplicated",
        heard.len()
    );
    assert_eq!((missing, duplicates), (0, 0));
}

fn let_it_flow() {
    thread::sleep(Duration::from_millis(150));
}

/// Two hubs and a plain publisher move a topic in stages while all of them publish; on
/// the way there everything is tried too early, and gone back upon.
fn phased(old: &Server, way: Way<'_>, in_order: bool) {
    let mut one = Node::start(old, way, Stage::Old);
    let mut two = Node::start(old, way, Stage::Old);
    let plain = Plain::start(old, way);
    one.publish("one");
    two.publish("two");
    until("hubs know each other", || {
        one.migration.peers().len() == 1 && two.migration.peers().len() == 1
    });
    let_it_flow();

    one.enter(Stage::DualRead);
    let_it_flow();
    let early = one.migration.enter(Stage::NewWrite, soon());
    let Err(MigrationError::Readers(readers)) = early else {
        panic!("the early flip: {early:?}");
    };
    assert_eq!(readers.len(), 1);
    assert_eq!(readers[0].stage, Stage::Old);
    assert_eq!(one.migration.stage(), Stage::DualRead);

    // There and back, and there again.
    one.enter(Stage::Old);
    let_it_flow();
    one.enter(Stage::DualRead);
    two.enter(Stage::DualRead);
    let_it_flow();

    one.enter(Stage::NewWrite);
    let_it_flow();
    let early = one.migration.enter(Stage::New, soon());
    assert!(
        matches!(early, Err(MigrationError::Writers(_))),
        "{early:?}"
    );
    let back = two.migration.enter(Stage::Old, soon());
    assert!(matches!(back, Err(MigrationError::Writers(_))), "{back:?}");
    one.enter(Stage::DualRead);
    let_it_flow();
    one.enter(Stage::NewWrite);
    two.enter(Stage::NewWrite);
    let_it_flow();

    let early = one.migration.enter(Stage::New, soon());
    let still = matches!(
        early,
        Err(MigrationError::StillWritten {
            side: Side::Old,
            ..
        })
    );
    assert!(still, "{early:?}");
    plain.write(true, true);
    let_it_flow();
    plain.write(false, true);
    let_it_flow();
    one.enter(Stage::New);
    let_it_flow();
    let back = two.migration.enter(Stage::DualRead, soon());
    assert!(matches!(back, Err(MigrationError::Readers(_))), "{back:?}");
    one.enter(Stage::NewWrite);
    let_it_flow();
    one.enter(Stage::New);
    two.enter(Stage::New);
    let_it_flow();
    until("the old side is given up", || old.listeners(TOPIC) == 0);

    let published = [
        ("one", one.end()),
        ("two", two.end()),
        ("plain", plain.end()),
    ];
    for node in [&one, &two] {
        let counts = node.migration.counts();
        println!("{counts:?}");
        assert!(counts.old.only > 0 && counts.new.only > 0);
        assert!(counts.old.written > 0 && counts.new.written > 0);
        assert!(counts.old.duplicates + counts.new.duplicates > 0);
    }
    let metrics = one.hub.prometheus();
    let stage = "distributary_migration_stage{topic=\"documents\",stage=\"new\"} 1";
    assert!(metrics.contains(stage), "{metrics}");

    let nodes = [one, two];
    the_end(&nodes, &published);
    for node in nodes {
        complete(&node.heard.join().unwrap(), &published, in_order);
    }
}

/// Two hubs move a topic that has a log, while their connections are killed.
fn phased_and_killed(old: &Server, way: Way<'_>, servers: &[&Server]) {
    let mut nodes = [(); 2].map(|()| Node::of(replaying, old, way, Stage::Old));
    let [one, two] = &mut nodes;
    one.publish("one");
    two.publish("two");
    for stage in [Stage::DualRead, Stage::NewWrite, Stage::New] {
        for node in &nodes {
            let_it_flow();
            for server in servers {
                kill_hubs(server);
            }
            node.enter(stage);
        }
    }
    let_it_flow();
    for server in servers {
        kill_hubs(server);
    }
    let published = nodes.each_mut().map(Node::end);
    let published = [("one", published[0]), ("two", published[1])];
    the_end(&nodes, &published);
    for node in nodes {
        println!(
            "{:?} {:?}",
            node.migration.counts(),
            node.hub.health().counts
        );
        complete(&node.heard.join().unwrap(), &published, false);
    }
}

/// Publishes it once everything has come, or will not come any more.
fn the_end(nodes: &[Node], published: &[(&str, usize)]) {
    let all = published.iter().map(|(_, count)| count).sum::<usize>();
    let patience = Instant::now() + Duration::from_secs(10);
    let complete = |node: &Node| node.count.load(Ordering::Relaxed) >= all;
    while !nodes.iter().all(complete) && Instant::now() < patience {
        thread::sleep(Duration::from_millis(5));
    }
    // Duplicates would come just behind.
    let_it_flow();
    nodes[0].hub.publish(TOPIC, END).unwrap();
}

#[test]
fn who_wrote_last_to_a_side_that_is_given_up_is_named_where_events_say() {
    let server = Server::start();
    let part = |stage| {
        let moving = Moving::on(replaying(&server));
        let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        let course = Course::of(TOPIC).unwrap().to(NAME).unwrap();
        let course = course.quiet(Duration::from_secs(60));
        (hub, moving.begin(course, stage).unwrap())
    };
    let ((one, ours), (other, theirs)) = (part(Stage::NewWrite), part(Stage::DualRead));
    let mut heard = one.subscribe(TOPIC).unwrap();
    assert!(one.joined().wait(soon()), "{:?}", one.health());
    other.publish(TOPIC, "late").unwrap();
    heard.recv_deadline(soon()).unwrap();
    theirs.force(Stage::NewWrite, soon()).unwrap();
    until("it is known", || {
        let peers = ours.peers();
        peers.iter().any(|peer| peer.stage == Stage::NewWrite)
    });

    let error = ours.enter(Stage::New, soon()).unwrap_err();
    let MigrationError::StillWritten { side, by, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((*side, *by), (Side::Old, Some(ours.peers()[0].hub)));
    let name = format!("{:016x}", ours.peers()[0].hub);
    assert!(
        error.to_string().contains(&format!("hub {name} wrote")),
        "{error}"
    );
    let clients = server.ask(&["CLIENT", "LIST"]).text();
    assert!(
        clients.contains(&format!("name=distributary-{name}")),
        "{clients}"
    );

    // What stands bare on its channel is nobody's.
    server.ask(&["PUBLISH", TOPIC, "bare"]);
    heard.recv_deadline(soon()).unwrap();
    let error = ours.enter(Stage::New, soon()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("somebody wrote to the old side"),
        "{error}"
    );
}

#[test]
fn a_topic_with_a_log_moves_to_another_name_while_connections_are_killed() {
    let server = Server::start();
    phased_and_killed(&server, Way::Name, &[&server]);
}

#[test]
fn a_topic_with_a_log_moves_to_another_server_while_connections_are_killed() {
    let (old, new) = (Server::start(), Server::start());
    phased_and_killed(&old, Way::Server(&new), &[&old, &new]);
}

#[test]
fn a_topic_moves_to_another_name() {
    let server = Server::start();
    phased(&server, Way::Name, true);
}

#[test]
fn a_topic_moves_to_another_server() {
    let (old, new) = (Server::start(), Server::start());
    phased(&old, Way::Server(&new), false);
}

#[test]
fn a_topic_moves_to_a_cluster() {
    let (old, new) = (Server::start(), Cluster::start());
    phased(&old, Way::Cluster(&new), false);
}

#[test]
fn whoever_listens_without_taking_part_stands_in_the_way() {
    let server = Server::start();
    let node = Node::start(&server, Way::Name, Stage::Old);
    node.enter(Stage::DualRead);
    let mut stranger = server.console().unwrap();
    stranger.ask(&["SUBSCRIBE", TOPIC]).unwrap();
    until("nothing else is in the way", || {
        let flip = node.migration.check(Stage::NewWrite, soon());
        flip == Err(MigrationError::Strangers {
            connections: 1,
            side: Side::Old,
        })
    });
    let flip = node.migration.enter(Stage::NewWrite, soon()).unwrap_err();
    assert!(flip.to_string().contains("1 connections listen"), "{flip}");
    assert_eq!(node.migration.stage(), Stage::DualRead);
    node.migration.force(Stage::NewWrite, soon()).unwrap();
    node.hub.publish(TOPIC, "forced").unwrap();
    node.hub.publish(TOPIC, END).unwrap();
    assert_eq!(node.heard.join().unwrap(), ["forced"]);
}

#[test]
fn whoever_listens_at_any_node_of_a_cluster_stands_in_the_way() {
    let cluster = Cluster::start();
    let moving = Moving::on(Redis::cluster(cluster.urls()).unwrap().build().unwrap());
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let _events = hub.subscribe(Selector::topic(TOPIC).unwrap()).unwrap();
    let mut demands = Demands::default();
    demands.stable = Duration::ZERO;
    demands.steady = Duration::ZERO;
    let course = Way::Name.course(redis).demands(demands);
    let migration = moving.begin(course, Stage::DualRead).unwrap();
    assert!(hub.joined().wait(soon()));
    let mut strangers: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| node.console().unwrap())
        .collect();
    for stranger in &mut strangers {
        stranger.ask(&["SUBSCRIBE", TOPIC]).unwrap();
    }
    until("all of them are in the way, and nothing else", || {
        let flip = migration.check(Stage::NewWrite, soon());
        flip == Err(MigrationError::Strangers {
            connections: 6,
            side: Side::Old,
        })
    });
    drop(strangers);
    until("nobody is in the way", || {
        migration.enter(Stage::NewWrite, soon()).is_ok()
    });
}

#[test]
fn nothing_is_written_to_a_server_that_is_not_well() {
    let (old, new) = (Server::start(), Server::start());
    let node = Node::start(&old, Way::Server(&new), Stage::Old);
    node.enter(Stage::DualRead);
    new.kill();
    until("the flip is refused", || {
        let flip = node.migration.enter(Stage::NewWrite, soon());
        let Err(error) = flip else {
            panic!("it was entered");
        };
        matches!(error, MigrationError::Unhealthy(_))
    });
    // Back again, nobody minds.
    node.enter(Stage::Old);
    node.hub.publish(TOPIC, "old").unwrap();
    node.hub.publish(TOPIC, END).unwrap();
    assert_eq!(node.heard.join().unwrap(), ["old"]);
}

#[test]
fn nothing_is_written_to_a_server_whose_replica_is_not_in_sync() {
    let (old, new) = (Server::start(), Server::start());
    let between = Proxy::before(new.port());
    let replica = Server::planned(&Plan::new().replica_of_port(between.port()));
    replica.until_in_sync();
    let mut demands = Demands::default();
    demands.replicas = 1;
    demands.stable = Duration::ZERO;
    demands.steady = Duration::ZERO;
    let moving = Moving::on(redis(&old));
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let course = Way::Server(&new).course(redis).demands(demands);
    let migration = moving.begin(course, Stage::Old).unwrap();
    assert!(hub.joined().wait(soon()));
    migration.enter(Stage::DualRead, soon()).unwrap();

    between.refuse(true);
    between.cut();
    until("the server has no replica", || {
        new.info("replication", "connected_slaves") == "0"
    });
    until("the flip is refused for its replicas", || {
        let flip = migration.check(Stage::NewWrite, soon());
        let Err(MigrationError::Unhealthy(findings)) = flip else {
            return false;
        };
        findings.iter().any(|finding| finding.code == "replicas")
    });
    between.refuse(false);
    until("the replica is back and the flip is not refused", || {
        migration.enter(Stage::NewWrite, soon()).is_ok()
    });
}

#[test]
fn whoever_listens_at_a_replica_stands_in_the_way() {
    let server = Server::start();
    let replica = Server::planned(&Plan::new().replica_of(&server));
    replica.until_in_sync();
    let mut demands = Demands::default();
    demands.stable = Duration::ZERO;
    demands.steady = Duration::ZERO;
    let moving = Moving::on(redis(&server));
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let _events = hub.subscribe(TOPIC).unwrap();
    let course = Way::Name.course(redis).demands(demands);
    let migration = moving.begin(course, Stage::DualRead).unwrap();
    assert!(hub.joined().wait(soon()), "{:?}", hub.health());
    let mut stranger = replica.console().unwrap();
    stranger.ask(&["SUBSCRIBE", TOPIC]).unwrap();
    until("it is in the way, and nothing else", || {
        let flip = migration.check(Stage::NewWrite, soon());
        flip == Err(MigrationError::Strangers {
            connections: 1,
            side: Side::Old,
        })
    });
    // A replica that lets nobody in bars nobody.
    replica.ask(&["CONFIG", "SET", "requirepass", "other"]);
    until("nobody is known to be in the way", || {
        migration.enter(Stage::NewWrite, soon()).is_ok()
    });
}

#[test]
fn a_stall_of_the_new_side_holds_nothing_up_and_a_slow_one_does_while_it_is_slow() {
    const ALLOWED: Duration = Duration::from_millis(200);
    let (old, new) = (Server::start(), Server::start());
    let between = Proxy::before(new.port());
    let moving = Moving::on(redis(&old));
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let onto = Redis::at(between.url()).unwrap().build().unwrap();
    let mut demands = Demands::default();
    demands.lag = ALLOWED;
    let course = Course::of(TOPIC).unwrap().onto(onto).demands(demands);
    let migration = moving.begin(course, Stage::DualRead).unwrap();
    assert!(hub.joined().wait(soon()), "{:?}", hub.health());
    let check = || migration.check(Stage::NewWrite, soon());
    until("nothing is in the way", || check().is_ok());

    until("a probe meets a stall", || {
        new.freeze();
        thread::sleep(Duration::from_millis(350));
        new.thaw();
        until("probes go on", || hub.health().lag.lasting < ALLOWED);
        hub.health().lag.max >= ALLOWED
    });
    until("nothing is in the way after a stall", || check().is_ok());
    assert!(hub.health().lag.max >= ALLOWED, "{:?}", hub.health().lag);

    between.flow(Flow::Late(Duration::from_millis(150)));
    until("it is too slow", || match check() {
        Err(MigrationError::Unhealthy(findings)) => findings
            .iter()
            .any(|finding| finding.code == "probes" && finding.text.contains("many probes")),
        _ => false,
    });
    between.flow(Flow::Open);
    until("it is well again", || check().is_ok());
}

#[test]
fn a_hub_that_cannot_be_reached_bars_nobody_for_ever_and_stages_are_not_skipped() {
    let server = Server::start();
    let node = Node::start(&server, Way::Name, Stage::Old);
    let other = Node::start(&server, Way::Name, Stage::Old);
    let skip = node.migration.enter(Stage::NewWrite, soon());
    let not_next = MigrationError::NotNext {
        from: Stage::Old,
        to: Stage::NewWrite,
    };
    assert_eq!(skip, Err(not_next));
    node.enter(Stage::DualRead);
    let flip = node.migration.enter(Stage::NewWrite, soon());
    assert!(matches!(flip, Err(MigrationError::Readers(_))), "{flip:?}");
    let Node { hub, .. } = other;
    hub.close();
    node.enter(Stage::NewWrite);
    drop(node);
}

#[test]
fn of_two_hubs_that_go_opposite_ways_at_once_one_arrives() {
    let server = Server::start();
    let nodes = [(); 2].map(|()| Node::start(&server, Way::Name, Stage::DualRead));
    until("hubs know each other", || {
        nodes.iter().all(|node| node.migration.peers().len() == 1)
    });
    nodes[0].enter(Stage::NewWrite);
    nodes[0].enter(Stage::DualRead);
    for round in 0..20 {
        let ways = [Stage::NewWrite, Stage::Old];
        let (gate, swapped) = (Barrier::new(2), round % 2);
        let outcomes = thread::scope(|scope| {
            let enter = |at: usize| {
                gate.wait();
                nodes[at].migration.enter(ways[(at + swapped) % 2], soon())
            };
            let other = scope.spawn(move || enter(1));
            [enter(0), other.join().unwrap()]
        });
        let stages = nodes.each_ref().map(|node| node.migration.stage());
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "{stages:?} {outcomes:?}"
        );
        for [one, other] in [stages, [stages[1], stages[0]]] {
            assert!(one.reads(other.writes()), "{stages:?}");
        }
        nodes.iter().for_each(|node| {
            if node.migration.stage() != Stage::DualRead {
                node.enter(Stage::DualRead);
            }
        });
    }
}

#[test]
fn who_has_just_come_asks_the_others_before_it_goes_on() {
    let server = Server::start();
    let moving = Moving::on(redis(&server));
    let writer = Hub::builder().backplane(moving.clone()).build().unwrap();
    let course = Way::Name.course(redis);
    moving.begin(course, Stage::DualRead).unwrap();
    assert!(writer.joined().wait(soon()));
    for _ in 0..5 {
        let moving = Moving::on(redis(&server));
        let _hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        let course = Way::Name.course(redis);
        let migration = moving.begin(course, Stage::NewWrite).unwrap();
        let early = migration.enter(Stage::New, soon());
        let barred = matches!(early, Err(MigrationError::Writers(_)));
        assert!(barred, "{early:?}");
    }
}

#[test]
fn a_stage_that_is_to_hear_what_the_user_may_not_hear_is_not_entered() {
    let server = Server::start();
    let rules = format!("ACL SETUSER default resetchannels &{TOPIC} &distributary:*");
    server.ask(&rules.split(' ').collect::<Vec<_>>());
    let node = Node::start(&server, Way::Name, Stage::Old);
    let entered = node.migration.enter(Stage::DualRead, soon());
    let not_heard = MigrationError::NotHeard {
        name: NAME.into(),
        side: Side::New,
    };
    assert_eq!(entered, Err(not_heard));
    assert_eq!(node.migration.stage(), Stage::Old);
    let granted = format!("&{NAME}");
    server.ask(&["ACL", "SETUSER", "default", &granted]);
    node.enter(Stage::DualRead);
}

#[test]
fn patterns_hear_a_moved_topic_by_its_old_name_and_its_new_name_is_refused() {
    let server = Server::start();
    let moving = Moving::on(redis(&server));
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let mut all = hub.subscribe(Selector::pattern("doc*s").unwrap()).unwrap();
    let migration = moving
        .begin(Way::Name.course(redis), Stage::DualRead)
        .unwrap();
    assert!(hub.joined().wait(soon()));
    until("the new name is heard", || server.listeners(NAME) == 1);
    let error = hub.subscribe(Selector::topic(NAME).unwrap()).unwrap_err();
    assert!(error.to_string().contains("listen to documents"), "{error}");
    server.ask(&["PUBLISH", NAME, "1"]);
    server.ask(&["PUBLISH", TOPIC, "2"]);
    for expected in ["1", "2"] {
        let event = all.recv_deadline(soon()).unwrap();
        assert_eq!(event.topic().as_str(), TOPIC);
        assert_eq!(event.payload(), expected);
    }
    let counts = migration.counts();
    assert_eq!((counts.old.read, counts.new.read), (1, 1));

    let twice = moving
        .begin(Way::Name.course(redis), Stage::Old)
        .unwrap_err();
    assert!(matches!(twice, MigrationError::Taken { .. }), "{twice}");
    let nowhere = moving.begin(Course::of("x").unwrap(), Stage::Old);
    assert_eq!(nowhere.unwrap_err(), MigrationError::Nowhere);
}

#[test]
fn a_pattern_brings_nothing_of_what_hubs_tell_each_other() {
    let server = Server::start();
    let bystander = Hub::builder().backplane(redis(&server)).build().unwrap();
    let everything = || Selector::pattern("*").unwrap();
    let mut heard = vec![bystander.subscribe(everything()).unwrap()];
    let hubs = [(); 2].map(|()| {
        let moving = Moving::on(redis(&server));
        let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        heard.push(hub.subscribe(everything()).unwrap());
        let migration = moving.begin(Way::Name.course(redis), Stage::Old).unwrap();
        (hub, migration)
    });
    for hub in hubs.iter().map(|(hub, _)| hub).chain([&bystander]) {
        assert!(hub.joined().wait(soon()));
    }
    // They hear each other all the same.
    let channel = format!("distributary:migration:{TOPIC}");
    until("the hubs know each other", || {
        server.ask(&["PUBLISH", &channel, "of nobody"]);
        hubs.iter()
            .all(|(_, migration)| migration.peers().len() == 1)
    });
    server.ask(&["PUBLISH", "distributary:other", "of nobody"]);
    server.ask(&["PUBLISH", "distributary", "of a user"]);
    for subscription in &mut heard {
        let event = subscription.recv_deadline(soon()).unwrap();
        assert_eq!(event.topic().as_str(), "distributary");
    }
}

/// An event in its envelope, as a hub publishes it that no log knows.
fn enveloped(publisher: u64, serial: u64, micros: u64, payload: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0x64, 0x79, 1 << 4];
    for number in [0, 0, publisher, serial, micros] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(payload.as_bytes());
    bytes
}

#[test]
fn an_event_in_an_envelope_is_known_by_its_publisher_and_not_by_its_payload() {
    let (old, new) = (Server::start(), Server::start());
    let moving = Moving::on(redis(&old));
    let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
    let mut events = hub.subscribe(Selector::topic(TOPIC).unwrap()).unwrap();
    let course = Way::Server(&new).course(redis).window(Duration::ZERO);
    let migration = moving.begin(course, Stage::Old).unwrap();
    assert!(hub.joined().wait(soon()));
    migration.enter(Stage::DualRead, soon()).unwrap();
    let mut consoles = [old.console().unwrap(), new.console().unwrap()];
    let mut publish = |side: usize, bytes: &[u8]| {
        let heard = consoles[side].ask(&[b"PUBLISH", TOPIC.as_bytes(), bytes]);
        assert_eq!(heard.unwrap().int(), 1);
    };
    // Mirrored, late or early; then another event of the same number and payload.
    for serial in 1..=3 {
        let bytes = enveloped(7, serial, 1_000 + serial, "same");
        let first = usize::from(serial == 2);
        publish(first, &bytes);
        assert_eq!(events.recv_deadline(soon()).unwrap().payload(), "same");
        publish(1 - first, &bytes);
    }
    until("the copies have come", || {
        let counts = migration.counts();
        counts.old.duplicates + counts.new.duplicates == 3
    });
    publish(1, &enveloped(8, 1, 2_000, "same"));
    assert_eq!(events.recv_deadline(soon()).unwrap().payload(), "same");
    publish(1, b"plain");
    assert_eq!(events.recv_deadline(soon()).unwrap().payload(), "plain");
    publish(0, b"plain");
    assert_eq!(events.recv_deadline(soon()).unwrap().payload(), "plain");
}

#[test]
fn the_example_of_the_documentation_runs() -> Result<(), Box<dyn std::error::Error>> {
    let (old, new) = (Server::start(), Server::start());
    let moving = Moving::on(Redis::at(old.url())?.build()?);
    let hub = Hub::builder().backplane(moving.clone()).build()?;

    // From the configuration: what moves, and the stage that the fleet has reached.
    let cluster = Redis::at(new.url())?.build()?;
    let course = Course::of("documents")?.to("documents.v2")?.onto(cluster);
    let migration = moving.begin(course, Stage::Old)?;

    let soon = || Instant::now() + Duration::from_secs(10);
    migration.enter(Stage::DualRead, soon())?;
    // On one hub after the other, once all of them read both sides:
    until("the new server is known well enough", || {
        migration
            .enter(Stage::NewWrite, soon())
            .inspect_err(|in_the_way| eprintln!("not yet: {in_the_way}"))
            .is_ok()
    });
    let mut listener = new.console()?;
    listener.ask(&["SUBSCRIBE", "documents.v2"])?;
    hub.publish("documents", "moved")?;
    assert_eq!(listener.read()?.list()[2].text(), "moved");
    assert_eq!(migration.counts().new.written, 1);
    Ok(())
}

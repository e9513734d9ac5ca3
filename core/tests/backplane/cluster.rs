//! A cluster whose nodes die, change places and hand slots on, under traffic.

use std::time::{Duration, Instant};

use distributary::{
    Hub, MAX_NAMES, Selector,
    backplane::{Condition, ForwardErrorKind},
    redis::{Mode, Redis, RedisBuilder},
};

use crate::{
    hubs::{
        Ear, Told, hub_with, joined, outcome, publish, publish_told, told, until_back, until_heard,
        until_worse,
    },
    rig::{Authority, Cluster, Folder, MASTERS, PATIENCE, Plan, Release, Server, until},
    rights,
    traffic::{Report, Traffic},
};

const WHILE: Duration = Duration::from_secs(2);

/// How events travel.
#[derive(Debug, Clone, Copy)]
struct Way {
    mode: Mode,
    sharded: bool,
}

const CLASSIC: Way = Way {
    mode: Mode::Live,
    sharded: false,
};
const SHARDED: Way = Way {
    mode: Mode::Live,
    sharded: true,
};
const REPLAY: Way = Way {
    mode: Mode::Replay,
    sharded: false,
};
const SHARDED_REPLAY: Way = Way {
    mode: Mode::Replay,
    sharded: true,
};

fn hub(cluster: &Cluster, way: Way) -> Hub {
    hub_with(redis(&cluster.urls(), way))
}

fn redis(urls: &[String], way: Way) -> RedisBuilder {
    let redis = Redis::cluster(urls).unwrap().mode("*", way.mode).unwrap();
    match way.sharded {
        true => redis.sharded(),
        false => redis,
    }
}

/// Names in slots of all masters.
fn topics() -> Vec<String> {
    (0..12).map(|n| format!("topic-{n}")).collect()
}

/// Traffic through a fault; nothing where the servers cannot carry it and the hubs say so.
fn through(way: Way, hurt: impl FnOnce(&Cluster)) -> Option<Report> {
    let cluster = Cluster::start();
    let (here, there) = (hub(&cluster, way), hub(&cluster, way));
    if way.sharded && !Release::tested().shards() {
        is_unsharded(&here);
        return None;
    }
    let traffic = Traffic::begin(&here, &there, topics());
    traffic.flow(WHILE);
    hurt(&cluster);
    traffic.flow(2 * WHILE);
    Some(traffic.end(WHILE))
}

/// What a hub says that needs shard channels where there are none.
fn is_unsharded(hub: &Hub) {
    let _subscription = hub.subscribe(Selector::topic("a").unwrap()).unwrap();
    until("the reason is told", || told(hub, "unsharded", "version 7"));
    assert_eq!(hub.health().condition, Condition::Away);
    let refused = outcome(&publish_told(hub, "a", "x")).unwrap_err();
    assert_eq!(refused.kind(), ForwardErrorKind::Rejected);
    assert!(refused.to_string().contains("ommand"), "{refused}");
}

#[test]
fn a_node_that_was_named_as_a_single_server_says_what_it_is() {
    let cluster = Cluster::start();
    let redis = Redis::at(cluster.nodes[0].url()).unwrap();
    let hub = hub_with(redis.mode("topic-*", Mode::Replay).unwrap());
    until("the reason is told", || {
        told(&hub, "cluster_node", "cluster form")
    });
    assert!(outcome(&publish_told(&hub, "live", "x")).is_ok());
    for topic in topics() {
        let since = Instant::now();
        let here = cluster.owner(cluster.slot(&topic)) == 0;
        match outcome(&publish_told(&hub, &topic, "x")) {
            Ok(_) => assert!(here, "{topic}"),
            Err(error) => {
                assert!(!here, "{topic}: {error}");
                assert_eq!(error.kind(), ForwardErrorKind::Rejected);
                assert!(error.to_string().contains("cluster form"), "{error}");
                // Long before the deadline.
                assert!(since.elapsed() < Duration::from_secs(5), "{topic}");
            }
        }
    }
    assert_eq!(hub.health().condition, Condition::Degraded);
}

#[test]
fn a_slot_without_an_owner_is_named() {
    let cluster = Cluster::start();
    let hub = hub(&cluster, REPLAY);
    until_back(&hub, PATIENCE);
    let slot = cluster.slot(&topics()[0]);
    let owner = cluster.owner(slot);
    let text = slot.to_string();
    let others = (0..cluster.nodes.len()).filter(|node| *node != owner);
    let nodes: Vec<usize> = [owner].into_iter().chain(others).collect();
    until("the slot is named", || {
        for node in &nodes {
            // A replica, or one that has heard of it already, refuses.
            let _ = cluster.nodes[*node].try_ask(&["CLUSTER", "DELSLOTS", &text]);
        }
        told(&hub, "cluster", &format!("carried: {text}"))
    });
}

/// The owner of a topic's slot dies.
fn kill(cluster: &Cluster) {
    let slot = cluster.slot(&topics()[0]);
    let owner = cluster.owner(slot);
    cluster.nodes[owner].kill();
    cluster.until_moved(slot, owner);
    cluster.until_served();
}

/// Where classic channels are heard.
fn ear(cluster: &Cluster) -> usize {
    let topic = &topics()[0];
    let hears = |node: &Server| node.listeners(topic) > 0;
    cluster.nodes.iter().position(hears).expect("a listener")
}

fn kill_ear(cluster: &Cluster) {
    cluster.nodes[ear(cluster)].kill();
    cluster.until_served();
}

fn freeze_ear(cluster: &Cluster) {
    let ear = &cluster.nodes[ear(cluster)];
    ear.freeze();
    std::thread::sleep(4 * WHILE);
    ear.thaw();
    cluster.until_served();
}

fn freeze(cluster: &Cluster) {
    let slot = cluster.slot(&topics()[0]);
    let owner = cluster.owner(slot);
    cluster.nodes[owner].freeze();
    let asked = &cluster.nodes[(owner + 1) % cluster.nodes.len()];
    until("the frozen node is replaced", || {
        let text = asked.ask(&["CLUSTER", "INFO"]).text();
        let nodes = asked.ask(&["CLUSTER", "NODES"]).text();
        text.contains("cluster_state:ok") && nodes.contains("master,fail ")
    });
    std::thread::sleep(WHILE);
    cluster.nodes[owner].thaw();
    cluster.until_moved(slot, owner);
}

/// All nodes die, and come back.
fn restart(cluster: &Cluster) {
    for node in &cluster.nodes {
        node.kill();
    }
    std::thread::sleep(2 * WHILE);
    for node in &cluster.nodes {
        node.restart();
    }
    cluster.until_served();
    std::thread::sleep(2 * WHILE);
}

fn switch(cluster: &Cluster) {
    let owner = cluster.owner(cluster.slot(&topics()[0]));
    cluster.fail_over(cluster.replica_of(owner).expect("a replica"));
}

/// Every topic's slot goes to another master, in each of the ways that the servers know.
fn migrate(cluster: &Cluster) {
    let hand_on = Release::tested().hands_slots_on();
    for (number, topic) in topics().iter().enumerate() {
        let slot = cluster.slot(topic);
        let to = (cluster.owner(slot) + 1) % 3;
        match hand_on && number % 2 == 0 {
            true => cluster.hand_on(slot, to),
            false => cluster.migrate(slot, to),
        }
    }
}

fn live(way: Way, what: &str, hurt: impl FnOnce(&Cluster)) {
    if let Some(report) = through(way, hurt) {
        report.is_alive(&format!("{way:?}, {what}"));
    }
}

fn replay(way: Way, what: &str, hurt: impl FnOnce(&Cluster)) {
    if let Some(report) = through(way, hurt) {
        report.is_whole(&format!("{way:?}, {what}"));
    }
}

#[test]
fn slots_migrate_under_classic_channels() {
    live(CLASSIC, "slots migrated", migrate);
}

#[test]
fn slots_migrate_under_shard_channels() {
    live(SHARDED, "slots migrated", migrate);
}

#[test]
fn slots_migrate_under_logs() {
    replay(REPLAY, "slots migrated", migrate);
    replay(SHARDED_REPLAY, "slots migrated", migrate);
}

#[test]
fn a_node_is_killed_under_classic_channels() {
    live(CLASSIC, "node killed", kill_ear);
}

#[test]
fn a_node_freezes_under_classic_channels() {
    live(CLASSIC, "node frozen", freeze_ear);
}

#[test]
fn a_node_is_killed_under_shard_channels() {
    live(SHARDED, "node killed", kill);
}

#[test]
fn a_node_is_killed_and_nothing_acknowledged_is_lost() {
    replay(REPLAY, "node killed", kill);
    replay(SHARDED_REPLAY, "node killed", kill);
}

#[test]
fn a_node_freezes_and_nothing_acknowledged_is_lost() {
    replay(REPLAY, "node frozen", freeze);
    replay(SHARDED_REPLAY, "node frozen", freeze);
}

#[test]
fn a_cluster_that_was_away_is_found_again() {
    live(CLASSIC, "all nodes restarted", restart);
    live(SHARDED, "all nodes restarted", restart);
}

#[test]
fn a_replica_takes_over_as_planned() {
    live(CLASSIC, "planned failover", switch);
    live(SHARDED, "planned failover", switch);
    replay(REPLAY, "planned failover", switch);
    replay(SHARDED_REPLAY, "planned failover", switch);
}

#[test]
fn servers_without_shard_channels_are_named_until_newer_ones_take_their_place() {
    let folder = Folder::new();
    let old = "rename-command SSUBSCRIBE \"\"\nrename-command SPUBLISH \"\"\n";
    let commands = |text| folder.write("commands.conf", text);
    // Where they are not known they cannot be taken away.
    let path = commands(if Release::tested().shards() { old } else { "" });
    let cluster = Cluster::planned(&Plan::new().set("include", path));
    let hub = hub(&cluster, SHARDED);
    let ear = Ear::on(&hub, "a");
    is_unsharded(&hub);
    if !Release::tested().shards() {
        return;
    }
    commands("");
    restart(&cluster);
    until_back(&hub, PATIENCE);
    let far = self::hub(&cluster, SHARDED);
    until_heard(&ear, PATIENCE, |mark| publish(&far, "a", mark));
}

/// Logs, by shard channels where there are any.
fn best() -> Way {
    match Release::tested().shards() {
        true => SHARDED_REPLAY,
        false => REPLAY,
    }
}

/// Slots that migrate, then a node that dies, under logs between these hubs.
fn bears(cluster: &Cluster, here: &Hub, there: &Hub, what: &str) {
    let traffic = Traffic::begin(here, there, topics());
    traffic.flow(WHILE);
    migrate(cluster);
    traffic.flow(WHILE);
    kill(cluster);
    traffic.flow(2 * WHILE);
    traffic.end(WHILE).is_whole(what);
}

#[test]
fn nodes_speak_tls_and_are_known_by_their_certificates() {
    let authority = Authority::new();
    let cluster = Cluster::encrypted(&authority);
    let trusting = |roots: &Authority| {
        let redis = redis(&cluster.urls(), best());
        hub_with(redis.root_certificates(roots.pem()))
    };
    bears(
        &cluster,
        &trusting(&authority),
        &trusting(&authority),
        "TLS",
    );

    // Whoever trusts somebody else finds no node that it could believe.
    let doubting = trusting(&Authority::new());
    until_worse(&doubting, Condition::Away, PATIENCE);
    until("the reason is told", || {
        told(&doubting, "cluster", "certificate")
    });
    assert_eq!(doubting.health().counts.connections, 0);
}

#[test]
fn nodes_have_users() {
    let cluster = Cluster::secured(&format!("app {}", rights::in_a_cluster()));
    let urls = |password: &str| -> Vec<String> {
        let user = format!("redis://app:{password}@");
        let urls = cluster.urls().into_iter();
        urls.map(|url| url.replace("redis://", &user)).collect()
    };
    let known = || hub_with(redis(&urls("secret"), best()));
    bears(&cluster, &known(), &known(), "users");
    for node in cluster.nodes.iter().filter(|node| node.is_running()) {
        rights::suffice(node);
    }

    let stranger = hub_with(redis(&urls("wrong"), best()));
    until_worse(&stranger, Condition::Away, PATIENCE);
    until("the reason is told", || {
        told(&stranger, "cluster", "WRONGPASS")
    });
}

/// What a name costs must not grow with the slots that are listened to already.
#[test]
fn many_shard_channels_are_joined_soon() {
    let cluster = Cluster::start();
    let hub = hub(&cluster, SHARDED);
    if !Release::tested().shards() {
        return is_unsharded(&hub);
    }
    assert!(hub.joined().wait(Instant::now() + WHILE * 5));
    let topics: Vec<String> = (0..50_000).map(|n| format!("doc:{n}")).collect();
    let since = Instant::now();
    let _subscriptions: Vec<_> = topics
        .chunks(MAX_NAMES)
        .map(|topics| hub.subscribe(Selector::topics(topics).unwrap()).unwrap())
        .collect();
    let joined = hub.joined().wait(since + Duration::from_secs(20));
    println!("joined 50,000 after {:?}", since.elapsed());
    assert!(joined, "{:?}", hub.health());
    let held: i64 = (0..3)
        .map(|node| {
            let list = cluster.nodes[node].ask(&["CLIENT", "LIST"]).text();
            list.split_whitespace()
                .filter_map(|part| part.strip_prefix("ssub="))
                .map(|count| count.parse::<i64>().unwrap())
                .sum::<i64>()
        })
        .sum();
    assert_eq!(held, 50_000);
}

#[test]
fn a_log_that_is_ahead_of_its_slot_is_written_to_where_it_is() {
    let cluster = Cluster::start();
    for way in [REPLAY, SHARDED_REPLAY] {
        let (here, there) = (hub(&cluster, way), hub(&cluster, way));
        if way.sharded && !Release::tested().shards() {
            is_unsharded(&here);
            continue;
        }
        let topic = format!("ahead-{}", way.sharded);
        let ear = Ear::on(&there, &topic);
        joined(&there);
        let kept = |payload: &str| outcome(&publish_told(&here, &topic, payload)).unwrap();
        kept("0");
        let slot = cluster.slot(&topic);
        let to = (0..MASTERS).find(|node| *node != cluster.owner(slot));
        let to = to.expect("another master");
        cluster.migrate_keys(slot, to);
        // Half-way, for as long as it may last.
        let since = Instant::now();
        for n in 1..20 {
            kept(&n.to_string());
        }
        assert!(since.elapsed() < WHILE, "{:?}", since.elapsed());
        cluster.settle(slot, to);
        kept("20");
        until("all is heard", || ear.told().len() > 20);
        let expected = (0..=20).map(|n| Told::Event(n.to_string()));
        assert_eq!(ear.told(), expected.collect::<Vec<_>>());
    }
}

/// Nobody is succeeded at the first start: a large fleet's share is not waited for.
#[test]
fn all_masters_are_reached_at_once_at_the_start() {
    let cluster = Cluster::start();
    let redis = Redis::cluster(cluster.urls()).unwrap().fleet(3_000);
    let redis = redis.mode("*", Mode::Replay).unwrap().build().unwrap();
    let since = Instant::now();
    let hub = Hub::builder().backplane(redis).build().unwrap();
    let receipts = topics();
    let receipts = receipts.iter().map(|topic| publish_told(&hub, topic, "x"));
    for receipt in receipts.collect::<Vec<_>>() {
        outcome(&receipt).unwrap();
    }
    assert!(since.elapsed() < 2 * WHILE, "{:?}", since.elapsed());
}

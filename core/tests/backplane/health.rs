//! What health says while servers fail, and when: real servers, asked as an application
//! would.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use distributary::{
    Hub, Selector,
    backplane::{Condition, Health},
};

use crate::{
    hubs::hub,
    rig::{Cluster, Flow, NAME, Plan, Proxy, Server, Watched, example, until, until_within},
};

/// A hub that is connected, and has probed.
fn well(url: &str) -> Hub {
    let hub = hub(url);
    until("all is well", || {
        let health = hub.health();
        health.condition == Condition::Ok && health.lag.probes > 0
    });
    hub
}

fn is_well(health: Health) -> bool {
    health.condition == Condition::Ok
}

fn has(hub: &Hub, code: &str) -> bool {
    hub.health().has(code)
}

#[track_caller]
fn node(health: &Health) -> &distributary::backplane::Node {
    health.nodes.first().expect("one server")
}

#[test]
fn a_server_tells_what_it_is_and_what_it_holds() {
    let server = Server::planned(&Plan::new().set("maxmemory", "50mb"));
    let hub = well(&server.url());
    until("it has told", || {
        let health = hub.health();
        let node = node(&health);
        node.memory.is_some() && node.output.is_some()
    });
    let health = hub.health();
    let node = node(&health);
    assert!(node.connected && node.version.as_ref().unwrap().contains(' '));
    assert_eq!(node.memory.as_ref().unwrap().limit, Some(50 << 20));
    let replication = node.replication.as_ref().unwrap();
    assert_eq!(
        (replication.replicas.len(), replication.resync_loop),
        (0, false)
    );
    assert!(health.lag.p99 > Duration::ZERO && health.lag.p99 < Duration::from_secs(1));
    let page = hub.prometheus();
    assert!(page.contains("distributary_backplane_condition{condition=\"ok\"} 1\n"));
    assert!(page.contains("distributary_topics "));
}

#[test]
fn a_frozen_server_is_degraded_at_900_ms_away_at_last_and_well_again() {
    let server = Server::start();
    let hub = well(&server.url());
    let mut changes = hub.health_changes();
    assert!(changes.wait(Instant::now()).is_some_and(is_well));
    server.freeze();
    let since = Instant::now();
    let change = changes
        .wait(since + Duration::from_secs(5))
        .expect("a change");
    let after = since.elapsed();
    assert_eq!(change.condition, Condition::Degraded);
    assert!(change.has("silent"), "{change:?}");
    assert!(
        after >= Duration::from_millis(600) && after < Duration::from_millis(2_000),
        "{after:?}"
    );
    let away = changes
        .wait(since + Duration::from_secs(10))
        .expect("a change");
    assert_eq!(away.condition, Condition::Away, "{away:?}");
    assert!(
        away.reasons[0].text.contains("nothing was heard"),
        "{away:?}"
    );
    server.thaw();
    until("all is well again", || {
        hub.health().condition == Condition::Ok
    });
    let health = hub.health();
    assert!(health.lag.late > 0, "{health:?}");
}

#[test]
fn a_quiet_hub_asks_its_server_seldom_and_much_at_once() {
    let server = Server::start();
    let hub = well(&server.url());
    until("it has told", || node(&hub.health()).memory.is_some());
    let reads = || -> u64 {
        let reads = server.info("stats", "total_reads_processed");
        reads.parse().unwrap()
    };
    let (before, since) = (reads(), Instant::now());
    std::thread::sleep(Duration::from_secs(5));
    let seconds = since.elapsed().as_secs_f64();
    // Less one, which asks.
    let per_second = (reads() - before - 1) as f64 / seconds;
    println!("a quiet hub: the server reads {per_second:.2} times a second");
    assert!(per_second < 1.7, "{per_second}");
    assert!(hub.health().lag.probes >= 4);
}

#[test]
fn changes_end_with_the_hub() {
    let server = Server::start();
    let hub = well(&server.url());
    let mut changes = hub.health_changes();
    let waiting = std::thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(30);
        while changes.wait(deadline).is_some() {}
        Instant::now() < deadline
    });
    std::thread::sleep(Duration::from_millis(20));
    hub.close();
    assert!(waiting.join().unwrap());
}

/// A master, a replica behind a proxy, and a stream of writes until it is dropped.
struct Pair {
    master: Server,
    link: Proxy,
    _replica: Server,
}

impl Pair {
    fn start() -> Pair {
        let master =
            Server::planned(&Plan::new().set("client-output-buffer-limit", "replica 1mb 1mb 1"));
        let link = Proxy::before(master.port());
        let replica = Server::planned(&Plan::new().replica_of_port(link.port()));
        replica.until_in_sync();
        Pair {
            master,
            link,
            _replica: replica,
        }
    }

    /// Publishes big messages at so many bytes a second, until told to stop.
    fn load(&self, rate: u64) -> Load {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let mut console = self.master.console().unwrap();
        let thread = std::thread::spawn(move || {
            let payload = vec![b'x'; 20_000];
            let pause = Duration::from_secs_f64(payload.len() as f64 / rate as f64);
            let mut next = Instant::now();
            while stopped.try_recv().is_err() {
                console
                    .ask(&[b"PUBLISH".as_slice(), b"load", &payload])
                    .unwrap();
                next += pause;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        Load {
            stop,
            thread: Some(thread),
        }
    }
}

struct Load {
    stop: std::sync::mpsc::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.send(()).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[test]
fn a_throttled_replica_link_is_named_a_resync_loop_within_five_seconds() {
    let pair = Pair::start();
    let hub = well(&pair.master.url());
    let load = pair.load(5_000_000);
    // Under load, and with all well, nobody is blamed.
    let until_then = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until_then {
        let health = hub.health();
        assert!(
            !health.has("resync_loop") && !health.has("replica_behind"),
            "{health:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    pair.link.flow(Flow::Throttled(100_000));
    let after = until_within(Duration::from_secs(5), "the loop is named", || {
        has(&hub, "resync_loop")
    });
    println!("named after {after:?}");
    let health = hub.health();
    assert_eq!(health.condition, Condition::Degraded);
    assert!(node(&health).replication.as_ref().unwrap().resync_loop);
    drop(load);
    pair.link.flow(Flow::Open);
    until_within(Duration::from_secs(90), "the loop is over", || {
        !has(&hub, "resync_loop")
    });
}

#[test]
fn memory_that_runs_out_is_said_before_and_when_writes_are_refused() {
    let server = Server::planned(
        &Plan::new()
            .set("maxmemory", "20mb")
            .set("maxmemory-policy", "noeviction"),
    );
    let hub = well(&server.url());
    let fill = |share: f64| {
        let value = "x".repeat(100_000);
        let mut number = 0;
        while server.info("memory", "used_memory").parse::<f64>().unwrap()
            < share * 20e6 * 1.048_576
        {
            number += 1;
            let key = format!("{share}:{number}");
            server.ask(&["SET", &key, &value]);
        }
    };
    fill(0.85);
    until("memory is high", || has(&hub, "memory_high"));
    let refused = || {
        let value = "x".repeat(3_000_000);
        for number in 0..5 {
            server
                .try_ask(&["SET", &format!("last:{number}"), &value])
                .unwrap();
        }
    };
    refused();
    until("writes are refused", || {
        refused();
        has(&hub, "memory_full")
    });
    assert_eq!(hub.health().condition, Condition::Degraded);
    server.ask(&["FLUSHALL"]);
    // Far sooner than a refusal is forgotten of a server that does not tell.
    until_within(Duration::from_secs(10), "all is well again", || {
        hub.health().condition == Condition::Ok
    });
}

#[test]
fn keys_that_are_thrown_away_are_said() {
    let server = Server::planned(
        &Plan::new()
            .set("maxmemory", "5mb")
            .set("maxmemory-policy", "allkeys-lru"),
    );
    let hub = well(&server.url());
    let value = "x".repeat(100_000);
    until("keys are thrown away", || {
        for number in 0..100 {
            server.ask(&["SET", &format!("{number}"), &value]);
        }
        has(&hub, "evicting")
    });
}

#[test]
fn a_user_without_info_works_and_is_told_what_is_not_known() {
    let server = Server::planned(&Plan::new().user("app on >secret ~* &* +@all -info"));
    let hub = hub(&format!("redis://app:secret@127.0.0.1:{}", server.port()));
    until("it is connected", || {
        hub.health().condition != Condition::Away
    });
    until("that is said", || has(&hub, "info_denied"));
    let mut subscription = hub.subscribe(Selector::topic("a").unwrap()).unwrap();
    assert!(hub.joined().wait(Instant::now() + Duration::from_secs(10)));
    server.ask(&["PUBLISH", "a", "hello"]);
    let event = subscription
        .recv_deadline(Instant::now() + Duration::from_secs(10))
        .unwrap();
    assert_eq!(event.payload(), "hello");
}

/// What the example `redis_check` says: its exit code, and what it prints.
fn check(arguments: &[&str]) -> (Option<i32>, String) {
    let output = example("redis_check").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

#[test]
fn redis_check_says_yes_to_a_healthy_pair() {
    let pair = Pair::start();
    let url = pair.master.url();
    let (code, text) = check(&["--for", "4", "--replicas", "1", &url]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("yes\n"), "{text}");
    let (code, text) = check(&["--for", "1", "--json", &url]);
    assert_eq!(code, Some(0), "{text}");
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["safe"], true);
    assert_eq!(
        answer["nodes"][0]["replication"]["replicas"][0]["online"],
        true
    );
}

#[test]
fn redis_check_says_no_and_why() {
    let pair = Pair::start();
    let url = pair.master.url();
    let load = pair.load(5_000_000);
    pair.link.flow(Flow::Throttled(100_000));
    let (code, text) = check(&["--for", "12", &url]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.starts_with("no\n") && text.contains("resync_loop"),
        "{text}"
    );
    drop(load);

    let full = Server::planned(&Plan::new().set("maxmemory", "1mb"));
    let (code, text) = check(&["--for", "1", &full.url()]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("memory"), "{text}");

    let (code, text) = check(&["--for", "1", "--replicas", "1", &Server::start().url()]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("replicas"), "{text}");

    let gone = Server::start();
    gone.kill();
    let (code, text) = check(&["--for", "1", &gone.url()]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("disconnected"), "{text}");

    assert_eq!(check(&["--for", "1", "http://127.0.0.1"]).0, Some(2));
    assert_eq!(check(&[]).0, Some(2));
    assert_eq!(check(&["--help"]).0, Some(0));
}

#[test]
fn a_broken_connection_is_told_with_its_reason() {
    let server = Server::start();
    let hub = well(&server.url());
    let mut changes = hub.health_changes();
    assert!(changes.wait(Instant::now()).is_some_and(is_well));
    server.kill();
    let deadline = Instant::now() + Duration::from_secs(10);
    let away = changes.wait(deadline).expect("a change");
    assert_eq!(away.condition, Condition::Away, "{away:?}");
    let text = &away.reasons[0].text;
    assert!(text.contains("closed") || text.contains("failed"), "{text}");
    server.restart();
    until("all is well again", || {
        hub.health().condition == Condition::Ok
    });
    let health = hub.health();
    assert!(health.counts.attempts >= 2 && health.counts.connections == 2);
}

#[test]
fn redis_check_follows_sentinels_and_clusters() {
    let watched = Watched::start();
    let mut asked = vec!["--for", "2", "--json", "--sentinel", NAME];
    let urls = watched.urls();
    asked.extend(urls.iter().map(String::as_str));
    let (code, text) = check(&asked);
    assert_eq!(code, Some(0), "{text}");
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let node = &answer["nodes"][0];
    assert_eq!(node["replication"]["role"], "master");
    let port = format!(":{}", watched.master_port());
    assert!(node["address"].as_str().unwrap().ends_with(&port), "{text}");

    let cluster = Cluster::start();
    let urls = cluster.urls();
    let mut asked = vec!["--for", "2", "--json", "--replicas", "1", "--cluster"];
    asked.extend(urls.iter().map(String::as_str));
    let (code, text) = check(&asked);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, Some(0), "{text}");
    // Every master is looked at.
    let nodes = answer["nodes"].as_array().unwrap();
    let addresses: HashSet<_> = nodes.iter().map(|node| node["address"].as_str()).collect();
    assert!(addresses.len() >= 3, "{text}");
}

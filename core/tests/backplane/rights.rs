//! The rights that the documentation names are enough, and what it names is what is tested.

use std::time::Duration;

use distributary::{
    Hub, Selector,
    backplane::{Condition, ForwardError, ForwardErrorKind},
    redis::{Mode, Redis},
};

use crate::{
    hubs::{Ear, hub_with, joined, outcome, publish_told, told, until_back, until_heard},
    rig::{Answer, PATIENCE, Plan, RIG, Release, Server, until},
};

/// The blocks of the documentation, in their order.
fn documented(block: usize) -> String {
    let text = include_str!("../../src/redis/rights.md");
    let block = text.split("```").nth(1 + 2 * block).expect("a block");
    block.trim_start_matches("text").trim().to_owned()
}

/// What a user of a server has.
pub(crate) fn on_a_server() -> String {
    documented(0)
}

/// What a user of a cluster has; shard channels as far as there are some.
pub(crate) fn in_a_cluster() -> String {
    let more = documented(1);
    let known = |right: &&str| Release::tested().shards() || !right.starts_with("+s");
    let more: Vec<&str> = more.split(' ').filter(known).collect();
    format!("{} {}", on_a_server(), more.join(" "))
}

/// What a user of the sentinels has.
pub(crate) fn on_a_sentinel() -> String {
    documented(2)
}

/// Nothing was asked for that was not granted.
pub(crate) fn suffice(server: &Server) {
    let denied = server.ask(&["ACL", "LOG"]);
    for entry in denied.list() {
        let field = |name: &str| {
            let mut pairs = entry.list().chunks(2);
            let pair = pairs.find(|pair| pair[0] == Answer::Text(name.to_owned()));
            pair.expect("a field of ACL LOG")[1].text()
        };
        // What is told to the server about us is for its log alone; 6.2 names no more than this.
        let own = ["client|setinfo", "client"].contains(&field("object").as_str());
        assert!(own || field("reason") == "auth", "{entry:?}");
    }
}

/// Publishes until the outcome is of this kind; health says that it is denied, and why.
fn is_denied(hub: &Hub, topic: &str, kind: ForwardErrorKind, words: &str) {
    until("it is refused", || {
        let outcome = outcome(&publish_told(hub, topic, "x"));
        outcome.is_err_and(|error| error.kind() == kind)
    });
    until("health says so", || told(hub, "denied", words));
    assert_eq!(hub.health().condition, Condition::Degraded);
}

/// Once the right is there an event goes through, and health says no more.
fn is_allowed_by(hub: &Hub, topic: &str, server: &Server, rule: &str) {
    server.ask(&["ACL", "SETUSER", "app", rule]);
    assert!(outcome(&publish_told(hub, topic, "x")).is_ok());
    until("health is well again", || {
        let health = hub.health();
        health.condition == Condition::Ok && !health.has("denied")
    });
}

#[test]
fn rights_to_publish_that_are_missing_are_said_by_health_until_they_are_there() {
    let server = Server::planned(&Plan::new().user("app on >secret ~* &* +@all -publish"));
    let redis = Redis::at(server.url_of("app", "secret")).unwrap();
    let hub = hub_with(redis.mode("replay.*", Mode::Replay).unwrap());
    is_denied(&hub, "live.1", ForwardErrorKind::Rejected, "publish");
    is_allowed_by(&hub, "live.1", &server, "+publish");

    server.ask(&["ACL", "SETUSER", "app", "-xadd"]);
    is_denied(
        &hub,
        "replay.1",
        ForwardErrorKind::Rejected,
        "events are refused",
    );
    // That live events go through says nothing of logs.
    assert!(outcome(&publish_told(&hub, "live.1", "x")).is_ok());
    assert!(told(&hub, "denied", "events are refused"));
    is_allowed_by(&hub, "replay.1", &server, "+xadd");

    server.ask(&["ACL", "SETUSER", "app", "resetkeys"]);
    is_denied(&hub, "replay.1", ForwardErrorKind::Rejected, "\"replay.1\"");
    is_allowed_by(&hub, "replay.1", &server, "~*");
}

#[test]
fn rights_as_documented_suffice_for_every_mode() {
    let [name, password] = RIG;
    let plan = Plan::new()
        .user(&format!("app {}", on_a_server()))
        .set("masteruser", name)
        .set("masterauth", password);
    let server = Server::planned(&plan);
    let replica = Server::planned(&plan.clone().replica_of(&server));
    replica.until_in_sync();
    let hub = || -> Hub {
        let redis = Redis::at(server.url_of("app", "secret")).unwrap();
        let redis = redis.mode("replay.*", Mode::Replay).unwrap();
        hub_with(redis.mode("durable.*", Mode::Durable).unwrap())
    };
    let (here, there) = (hub(), hub());
    let topics = ["live.1", "replay.1", "durable.1"];
    let ears = topics.map(|topic| Ear::on(&there, topic));
    let all = Ear::of(&there, Selector::pattern("*.1").unwrap());
    joined(&there);
    for _ in 0..2 {
        for (topic, ear) in topics.iter().zip(&ears) {
            until_heard(ear, PATIENCE, |mark| {
                let outcome = outcome(&publish_told(&here, topic, mark));
                // A replica may be slow; that is not what is asked here.
                let rejected = |error: &ForwardError| error.kind() == ForwardErrorKind::Rejected;
                assert!(!outcome.as_ref().is_err_and(rejected), "{outcome:?}");
            });
        }
        // What was missed is read, and searched for.
        server.kill_clients();
        for hub in [&here, &there] {
            until_back(hub, PATIENCE);
        }
    }
    assert!(all.told().len() >= 2 * topics.len());
    // Health asks for the rarer things every few seconds.
    until("all is known of the server", || {
        let health = here.health();
        let node = health.nodes.first();
        node.is_some_and(|node| node.memory.is_some() && node.replication.is_some())
            && node.is_some_and(|node| node.observed > Duration::from_secs(6))
            && health.condition == Condition::Ok
    });
    suffice(&server);
}

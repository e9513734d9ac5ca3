//! Hubs whose rules differ: nobody would see it, so health says it.

use distributary::{
    Hub,
    backplane::Condition,
    redis::{Mode, Redis},
};

use crate::{
    hubs::{Ear, hub_with, joined, publish, told},
    rig::{Server, until},
};

const CODE: &str = "rules_differ";

/// What a hub may say of its topics.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    Live,
    Enveloped,
    Replay,
    Durable,
}

impl Rule {
    const ALL: [Rule; 4] = [Rule::Live, Rule::Enveloped, Rule::Replay, Rule::Durable];

    fn hub(self, server: &Server) -> Hub {
        let redis = Redis::at(server.url()).unwrap();
        hub_with(match self {
            Rule::Live => redis,
            Rule::Enveloped => redis.envelope("*").unwrap(),
            Rule::Replay => redis.mode("*", Mode::Replay).unwrap(),
            Rule::Durable => redis.mode("*", Mode::Durable).unwrap(),
        })
    }

    fn is_logged(self) -> bool {
        matches!(self, Rule::Replay | Rule::Durable)
    }

    /// What a listener with this rule says of what a hub with another one publishes.
    fn says(self, of: Rule) -> Option<Condition> {
        match (self.is_logged(), of.is_logged()) {
            (true, true) => None,
            (false, false) => (self != of).then_some(Condition::Ok),
            // As from somebody who is no hub.
            (true, false) if of == Rule::Live => Some(Condition::Ok),
            _ => Some(Condition::Degraded),
        }
    }
}

/// One that listens to what another one publishes.
struct Pair {
    listener: Hub,
    ear: Ear,
    rule: Rule,
    of: Rule,
    topic: String,
}

#[test]
fn a_hub_whose_rules_are_not_those_of_a_publisher_says_so_with_the_topic() {
    let server = Server::start();
    let talkers = Rule::ALL.map(|rule| (rule, rule.hub(&server)));
    let mut pairs = Vec::new();
    for (of, _) in &talkers {
        for rule in Rule::ALL {
            let listener = rule.hub(&server);
            let topic = format!("orders.{of:?}");
            let ear = Ear::on(&listener, &topic);
            pairs.push(Pair {
                listener,
                ear,
                rule,
                of: *of,
                topic,
            });
        }
    }
    pairs.iter().for_each(|pair| joined(&pair.listener));
    for (of, talker) in &talkers {
        publish(talker, &format!("orders.{of:?}"), "event");
    }
    // Those that say nothing are looked at once all others have spoken.
    pairs.sort_by_key(|pair| pair.rule.says(pair.of).is_none());
    for pair in &pairs {
        let what = format!("{:?} hears {:?}", pair.rule, pair.of);
        until(&what, || pair.ear.heard("event"));
        match pair.rule.says(pair.of) {
            Some(condition) => {
                until(&what, || told(&pair.listener, CODE, &pair.topic));
                let health = pair.listener.health();
                assert_eq!(health.condition, condition, "{what}: {health:?}");
            }
            None => assert!(!pair.listener.health().has(CODE), "{what}"),
        }
    }
    assert!(!talkers.iter().any(|(_, talker)| talker.health().has(CODE)));
}

#[test]
fn what_somebody_publishes_plain_on_a_topic_with_a_log_is_said_to_be_beyond_repair() {
    let server = Server::start();
    let hub = Rule::Replay.hub(&server);
    let ear = Ear::on(&hub, "orders.1");
    joined(&hub);
    // Its own come back in an envelope: nothing differs.
    publish(&hub, "orders.1", "ours");
    until("its own is in the log", || {
        hub.health().counts.sent == 1
            && server.ask(&["XLEN", "distributary:log:{orders.1}"]).int() == 1
    });
    assert!(!hub.health().has(CODE));
    server.ask(&["PUBLISH", "orders.1", "plain"]);
    until("it is heard", || ear.heard("plain"));
    until("it is said", || told(&hub, CODE, "cannot be repaired"));
    assert!(told(&hub, CODE, "orders.1"));
    assert_eq!(hub.health().condition, Condition::Ok);
}

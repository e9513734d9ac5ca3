//! Several subscriptions that the application makes for one client, over one topic.

use distributary::{
    Budget, Filter, Hub, Selector,
    gateway::{Accept, Gateway, Reject},
};
use serde_json::Value;

use crate::harness::{Json, Sse};

/// The second id of the server's own.
const SECOND: u32 = u32::MAX;

struct Server {
    hub: Hub,
    gateway: Gateway,
    _runtime: tokio::runtime::Runtime,
}

/// Everybody gets the urgent ones of `a`, and the others of `a` and all of `b`.
fn grant() -> Accept<()> {
    let filter = |urgent: bool| Filter::parse(&format!(r#"{{"urgent":[{urgent}]}}"#)).unwrap();
    let urgent = Selector::topic("a").unwrap().filter(filter(true));
    let others = Selector::topics(["a", "b"]).unwrap().filter(filter(false));
    Accept::new(()).subscribe(urgent).subscribe(others)
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let hub = Hub::builder().history("*", Budget::default()).unwrap();
        let hub = hub.build().unwrap();
        let gateway = Gateway::builder(&hub)
            .authorize(async |_| Ok::<_, Reject>(grant()))
            .address("127.0.0.1:0")
            .unwrap();
        let gateway = runtime.block_on(gateway.start()).unwrap();
        let server = Server {
            hub,
            gateway,
            _runtime: runtime,
        };
        // Topics that were published to keep their places while nobody is there.
        server.publish("a", 0, true);
        server.publish("b", 0, false);
        server
    }

    fn publish(&self, topic: &str, n: u32, urgent: bool) {
        let payload = format!(r#"{{"n":{n},"urgent":{urgent}}}"#);
        self.hub.publish(topic, payload).unwrap();
    }
}

fn heard(json: &mut Json, events: usize) -> Vec<(u32, u64)> {
    let event = |event: Value| {
        let id = event["id"].as_u64().unwrap() as u32;
        (id, event["data"]["n"].as_u64().unwrap())
    };
    let events = (0..events).map(|_| event(json.expect("event")));
    let mut events: Vec<_> = events.collect();
    events.sort_unstable();
    events
}

#[test]
fn each_resumes_for_itself_in_the_json_protocol() {
    let server = Server::start();
    let address = server.gateway.address().unwrap();
    let mut json = Json::open(address, "/");
    assert_eq!(json.welcome["subscriptions"], 2);
    let first = json.expect("subscribed");
    let second = json.expect("subscribed");
    assert_eq!((&first["id"], &second["id"]), (&0.into(), &SECOND.into()));

    // The first one is the one behind: nothing urgent has come.
    server.publish("a", 1, false);
    server.publish("b", 2, false);
    assert_eq!(heard(&mut json, 2), [(SECOND, 1), (SECOND, 2)]);
    let grant = json.welcome["grant"].clone();
    drop(json);
    server.publish("a", 3, true);
    server.publish("a", 4, false);

    let at = |topic: &str| first["at"][topic].as_str().or(second["at"][topic].as_str());
    let (a, b) = (at("a").unwrap(), at("b").unwrap());
    let mut json = Json::open(address, &format!("/?from=a%3D{a},b%3D{b}"));
    assert_eq!(json.welcome["grant"], grant);
    assert_eq!(json.expect("subscribed")["at"], first["at"]);
    assert_eq!(json.expect("subscribed")["at"], second["at"]);
    let again = [(0, 3), (SECOND, 1), (SECOND, 2), (SECOND, 4)];
    assert_eq!(heard(&mut json, 4), again);
}

#[test]
fn none_misses_anything_in_server_sent_events() {
    let server = Server::start();
    let address = server.gateway.address().unwrap();
    let mut sse = Sse::open(address, "/", None);
    let begin = sse.next().unwrap().id.unwrap();
    server.publish("a", 1, false);
    server.publish("b", 2, false);
    let last = [sse.event(), sse.event()].map(|event| event.id.unwrap());
    let (begin, _) = begin.split_once(',').unwrap();
    assert!(last[1].starts_with(begin), "{last:?}");
    drop(sse);
    server.publish("a", 3, true);
    server.publish("b", 4, false);

    let mut sse = Sse::open(address, "/", Some(&last[1]));
    let mut data: Vec<String> = (0..3).map(|_| sse.event().data).collect();
    data.sort_unstable();
    for (data, n) in data.iter().zip([1, 3, 4]) {
        assert!(data.starts_with(&format!(r#"{{"n":{n},"#)), "{data}");
    }
}

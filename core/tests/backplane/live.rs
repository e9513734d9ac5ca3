//! Live mode on one server: what is published on one hub arrives on the others, once.

use std::time::{Duration, Instant};

use distributary::{Bytes, Hub, Publication, Selector, Subscription, redis::Redis};

use crate::rig::Server;

const PATIENCE: Duration = Duration::from_secs(10);

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

fn hub(server: &Server) -> Hub {
    let redis = Redis::at(server.url()).unwrap().build().unwrap();
    Hub::builder().backplane(redis).build().unwrap()
}

fn listen(hub: &Hub, topic: &str) -> Subscription {
    let subscription = hub.subscribe(Selector::topic(topic).unwrap()).unwrap();
    assert!(hub.joined().wait(soon()), "{:?}", hub.health());
    subscription
}

fn next(subscription: &mut Subscription) -> Bytes {
    subscription
        .recv_deadline(soon())
        .expect("an event")
        .payload()
        .clone()
}

#[test]
fn what_is_published_on_one_hub_arrives_on_another_and_once_on_its_own() {
    let server = Server::start();
    let (here, there) = (hub(&server), hub(&server));
    let mut near = listen(&here, "a");
    let mut far = listen(&there, "a");
    for number in 0..1_000 {
        let receipt = here
            .publish_acknowledged(Publication::new("a", format!("{number}")))
            .unwrap();
        if number % 100 == 0 {
            let acknowledged = receipt.wait(soon()).unwrap().unwrap();
            assert_eq!(acknowledged.heard, 2);
        }
    }
    for number in 0..1_000 {
        assert_eq!(next(&mut near), format!("{number}"));
        assert_eq!(next(&mut far), format!("{number}"));
    }
    // Whatever came twice would be between the last and this one.
    there.publish("a", "end").unwrap();
    assert_eq!(next(&mut near), "end");
    assert_eq!(next(&mut far), "end");
}

//! Tickets: coming back without a question to the application.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use distributary::gateway::Ended;
use parking_lot::Mutex;

use super::*;

const JSON: &str = "sec-websocket-protocol: distributary.v1.json\r\n";

/// A gateway that gives tickets of this validity, and how often it asked.
async fn ticketing(valid: Duration) -> (Hub, Gateway, Arc<AtomicUsize>) {
    let hub = Hub::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let builder = Gateway::builder(&hub).authorize(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move { Ok(news(number).ticket(valid)) }
    });
    (hub, listening(builder).await, asked)
}

/// The ticket that a welcome tells.
fn ticket(welcome: &str) -> &str {
    let (_, rest) = welcome.split_once("\"ticket\":\"").expect(welcome);
    rest.split('"').next().expect("an end")
}

#[test]
fn a_ticket_lets_its_client_come_back_unasked() {
    run(async {
        let (hub, gateway, asked) = ticketing(Duration::from_secs(60)).await;
        let mut peer = Peer::at(&gateway);
        let answer = peer.upgrade("/", JSON);
        assert_eq!(
            answer.header("sec-websocket-protocol"),
            Some("distributary.v1.json")
        );
        let welcome = peer.text();
        let url = format!("/?ticket={}", ticket(&welcome));
        // While the first still lives, and after it has gone.
        let mut second = Peer::at(&gateway);
        assert_eq!(second.upgrade(&url, JSON).status, 101);
        assert_eq!(ticket(&second.text()), ticket(&welcome));
        drop((peer, second));
        until("both have gone", || gateway.stats().open == 0);
        let mut third = Peer::at(&gateway);
        assert_eq!(third.upgrade(&url, "").status, 101);
        hub.publish("news", "for all who are here").unwrap();
        assert_eq!(third.text(), "for all who are here");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(gateway.stats().returned, 2);
        gateway.close().await;
    });
}

#[test]
fn a_ticket_that_is_none_leads_to_the_application() {
    run(async {
        let (_hub, gateway, asked) = ticketing(Duration::from_millis(1)).await;
        let mut peer = Peer::at(&gateway);
        peer.upgrade("/", JSON);
        let welcome = peer.text();
        drop(peer);
        until("it has gone", || gateway.stats().open == 0);
        std::thread::sleep(Duration::from_millis(5));
        let expired = ticket(&welcome).to_owned();
        let made_up = "0".repeat(32);
        for ticket in [expired.as_str(), made_up.as_str(), "x", ""] {
            let mut peer = Peer::at(&gateway);
            assert_eq!(peer.upgrade(&format!("/?ticket={ticket}"), "").status, 101);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 5);
        assert_eq!(gateway.stats().returned, 0);
        gateway.close().await;
    });
}

#[test]
fn a_ticket_is_worthless_once_the_application_closes_and_not_when_it_turns_away() {
    run(async {
        let here = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&here);
        let builder = Gateway::builder(&Hub::new())
            .authorize(async |_| Ok(news(()).ticket(Duration::from_secs(60))))
            .on_open(move |client| book.lock().push(client.clone()));
        let gateway = listening(builder).await;
        let ended = |why| {
            let stats = gateway.stats();
            stats
                .ended()
                .any(|(ended, count)| ended == why && count == 1)
        };
        let mut peer = Peer::at(&gateway);
        peer.upgrade("/", JSON);
        let welcome = peer.text();
        let url = format!("/?ticket={}", ticket(&welcome));
        here.lock()[0].turn_away("later");
        until("it is turned away", || ended(Ended::Overloaded));

        let mut second = Peer::at(&gateway);
        assert_eq!(second.upgrade(&url, JSON).status, 101);
        second.text();
        assert_eq!(gateway.stats().returned, 1);
        here.lock()[1].close("for good");
        until("it is closed", || ended(Ended::Application));

        let mut third = Peer::at(&gateway);
        assert_eq!(third.upgrade(&url, JSON).status, 101);
        assert_eq!(gateway.stats().returned, 1);
        drop((peer, second));
        gateway.close().await;
    });
}

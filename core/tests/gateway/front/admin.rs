//! `/metrics` and `/healthz`.

use super::*;

fn ask(gateway: &Gateway, path: &str) -> (Answer, String) {
    let mut peer = Peer::connect(gateway.admin_address().expect("it listens"));
    peer.say(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    (peer.answer(), peer.rest())
}

/// The value of a sample, by its name with labels.
fn sample(page: &str, name: &str) -> f64 {
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).expect(name)
}

#[test]
fn metrics_tell_what_happened() {
    run(async {
        let (hub, gateway) = open_to_all(Limits::default()).await;
        let mut peer = Peer::at(&gateway);
        assert_eq!(peer.upgrade("/", "").status, 101);
        let mut refused = Peer::at(&gateway);
        refused.say("POST / HTTP/1.1\r\nhost: a\r\n\r\n").answer();
        hub.publish("news", "one").unwrap();
        peer.text();
        let (answer, page) = ask(&gateway, "/metrics");
        assert_eq!(answer.status, 200);
        let kind = answer.header("content-type").unwrap();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        let expected = [
            ("distributary_gateway_connections{state=\"open\"}", 1.0),
            (
                "distributary_gateway_connections{state=\"handshaking\"}",
                0.0,
            ),
            ("distributary_gateway_accepted_total", 2.0),
            ("distributary_gateway_opened_total", 1.0),
            ("distributary_gateway_refused_total{reason=\"method\"}", 1.0),
            (
                "distributary_gateway_refused_total{reason=\"draining\"}",
                0.0,
            ),
            ("distributary_gateway_ended_total{reason=\"left\"}", 0.0),
            ("distributary_gateway_closed_writes_total", 0.0),
            ("distributary_gateway_draining", 0.0),
            ("distributary_events_total", 1.0),
            ("distributary_deliveries_total", 1.0),
            ("distributary_subscriptions", 1.0),
            ("distributary_event_share_bucket{le=\"+Inf\"}", 1.0),
        ];
        // A lane counts what it has written once its slice is over: a reader may be sooner.
        let mut before = Vec::new();
        until("what has happened is counted", || {
            let (_, page) = ask(&gateway, "/metrics");
            let differs = |(name, count): &(&str, f64)| sample(&page, name) != *count;
            let wrong: Vec<&str> = expected
                .iter()
                .filter(|it| differs(it))
                .map(|it| it.0)
                .collect();
            if wrong != before {
                eprintln!("{wrong:?} differ\n{page}");
                before.clone_from(&wrong);
            }
            wrong.is_empty()
        });
        assert!(sample(&page, "distributary_process_resident_bytes") > 1e6);
        drop(peer);
        until("its end is counted", || {
            let (_, page) = ask(&gateway, "/metrics");
            let state = "distributary_gateway_connections{state=\"open\"}";
            sample(&page, state) == 0.0
        });
        gateway.close().await;
    });
}

#[test]
fn a_page_names_each_family_once_and_holds_nothing_else() {
    run(async {
        let (_hub, gateway) = open_to_all(Limits::default()).await;
        let (_, page) = ask(&gateway, "/metrics");
        let mut family = String::new();
        let mut families = std::collections::HashSet::new();
        for line in page.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap().to_owned();
                assert!(families.insert(family.clone()), "twice: {family}");
            } else if !line.starts_with("# TYPE ") {
                assert!(line.starts_with(&family), "{line} in {family}");
                let value = line.rsplit(' ').next().unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        gateway.close().await;
    });
}

#[test]
fn health_follows_the_drain() {
    run(async {
        let (_hub, gateway) = open_to_all(Limits::default()).await;
        let (answer, body) = ask(&gateway, "/healthz");
        assert_eq!((answer.status, body.as_str()), (200, "ok\n"));
        let (answer, _) = ask(&gateway, "/else");
        assert_eq!(answer.status, 404);
        gateway.drain(Duration::from_millis(10)).await;
        let (answer, body) = ask(&gateway, "/healthz");
        assert_eq!((answer.status, body.as_str()), (503, "draining\n"));
        let mut late = Peer::at(&gateway);
        let answer = late.upgrade("/", "");
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some());
        assert_eq!(refused(&gateway.stats(), Refused::Draining), 1);
        gateway.close().await;
    });
}

#[test]
fn askers_that_never_ask_do_not_keep_others_out_for_good() {
    run(async {
        let (_hub, gateway) = open_to_all(Limits::default()).await;
        let address = gateway.admin_address().unwrap();
        let silent: Vec<_> = (0..64).map(|_| Peer::connect(address)).collect();
        // Those beyond the bound were dropped at once.
        let dropped = silent.into_iter().filter_map(|mut peer| {
            let short = Some(Duration::from_millis(200));
            peer.0.set_read_timeout(short).unwrap();
            matches!(peer.0.read(&mut [0]), Ok(0)).then_some(())
        });
        assert_ne!(dropped.count(), 0);
        until("the rest was dropped with their clients", || {
            let mut peer = Peer::connect(address);
            peer.say("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
            matches!(peer.0.read(&mut [0]), Ok(1))
        });
        gateway.close().await;
    });
}

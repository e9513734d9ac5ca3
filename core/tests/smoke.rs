use distributary::*;
use std::time::{Duration, Instant};

struct Count(Vec<(u64, usize)>, Vec<(u64, u64)>, Vec<(u64, CloseReason)>);
impl Sink for Count {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        self.0.push((to.0, events.len()));
        Flow::Taken
    }
    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        self.1.push((to.0, missed));
        Flow::Taken
    }
    fn closed(&mut self, to: Token, reason: CloseReason) {
        self.2.push((to.0, reason));
    }
}

#[test]
fn pull_basic() {
    let hub = Hub::new();
    let mut a = hub.subscribe("a").unwrap();
    let mut p = hub.subscribe(Selector::pattern("*").unwrap()).unwrap();
    let f = Selector::topic("a")
        .unwrap()
        .filter(Filter::parse(r#"{"id":[1]}"#).unwrap());
    let mut f = hub.subscribe(f).unwrap();
    let d = hub.publish("a", r#"{"id":1}"#).unwrap();
    assert_eq!((d.feeds, d.subscriptions), (3, 3));
    let d = hub.publish("a", r#"{"id":2}"#).unwrap();
    assert_eq!(d.feeds, 2);
    for s in [&mut a, &mut p] {
        s.try_recv().unwrap();
        s.try_recv().unwrap();
        assert_eq!(s.try_recv().unwrap_err(), TryRecvError::Empty);
    }
    f.try_recv().unwrap();
    assert_eq!(f.try_recv().unwrap_err(), TryRecvError::Empty);
    let s = hub.stats();
    assert_eq!(s.bytes_held, 0, "{s:#?}");
    assert_eq!(s.delivered, 5);
    drop((a, p, f));
    let s = hub.stats();
    assert_eq!(
        (s.topics, s.patterns, s.feeds, s.subscriptions),
        (0, 0, 0, 0),
        "{s:#?}"
    );
}

#[test]
fn lag_and_add() {
    let hub = Hub::builder()
        .budget(Budget::default().events(4).unwrap())
        .build()
        .unwrap();
    let mut a = hub.subscribe("a").unwrap();
    let mut b = hub.subscribe("a").unwrap();
    for i in 0..10 {
        hub.publish("a", format!("{i}")).unwrap();
    }
    assert_eq!(
        a.try_recv().unwrap_err(),
        TryRecvError::Lagged { missed: 6 }
    );
    assert_eq!(&a.try_recv().unwrap().payload()[..], b"6");
    assert!(a.add_topic("b").unwrap());
    hub.publish("b", "x").unwrap();
    let got: Vec<_> = std::iter::from_fn(|| a.try_recv().ok())
        .map(|e| e.payload().to_vec())
        .collect();
    assert_eq!(got, [b"7", b"8", b"9", b"x"]);
    assert!(a.remove_topic("a").unwrap());
    let d = hub.publish("a", "n").unwrap();
    assert_eq!(d.subscriptions, 1);
    assert_eq!(
        b.try_recv().unwrap_err(),
        TryRecvError::Lagged { missed: 7 }
    );
}

#[test]
fn lane_basic() {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    let ids: Vec<_> = (0..1000)
        .map(|i| lane.subscribe("a", Token(i)).unwrap())
        .collect();
    let mut c = Count(vec![], vec![], vec![]);
    hub.publish("a", "1").unwrap();
    hub.publish("a", "2").unwrap();
    while lane.turn(&mut c).more {}
    assert_eq!(c.0.len(), 1000);
    assert!(c.0.iter().all(|x| x.1 == 2));
    for id in &ids[..600] {
        assert!(lane.unsubscribe(*id));
    }
    hub.publish("a", "3").unwrap();
    c.0.clear();
    while lane.turn(&mut c).more {}
    assert_eq!(c.0.len(), 400);
    let s = hub.stats();
    assert_eq!((s.bytes_held, s.subscriptions, s.delivered), (0, 400, 2400));
    hub.close();
    while lane.turn(&mut c).more {}
    assert_eq!(c.2.len(), 400);
    assert_eq!(lane.len(), 0);
}

#[test]
fn executor_basic() {
    let hub = Hub::new();
    let ex = Executor::new(&hub, 2).unwrap();
    let (tx, rx) = std::sync::mpsc::channel();
    let t2 = tx.clone();
    let l = ex
        .on("a", move |i| {
            if let Item::Event(e) = i {
                tx.send(e.clone()).unwrap()
            }
        })
        .unwrap();
    let _p = ex
        .on("a", move |i| match i {
            Item::Event(_) => panic!("no"),
            Item::Closed(_) => {
                t2.send(hub_event()).unwrap();
            }
            _ => {}
        })
        .unwrap();
    hub.publish("a", "1").unwrap();
    rx.recv_timeout(Duration::from_secs(5)).unwrap();
    rx.recv_timeout(Duration::from_secs(5)).unwrap();
    l.unsubscribe();
    while hub.stats().subscriptions > 0 {
        std::thread::yield_now();
    }
    assert_eq!(hub.stats().panicked, 1);
}
fn hub_event() -> Event {
    let hub = Hub::new();
    let mut s = hub.subscribe("x").unwrap();
    hub.publish("x", "").unwrap();
    s.try_recv().unwrap()
}

#[test]
fn publish_wait_times_out_and_succeeds() {
    let hub = Hub::builder()
        .budget(Budget::default().events(1).unwrap())
        .build()
        .unwrap();
    let mut s = hub.subscribe("a").unwrap();
    hub.publish("a", "1").unwrap();
    let e = hub
        .publish_wait(
            Publication::new("a", "2"),
            Instant::now() + Duration::from_millis(20),
        )
        .unwrap_err();
    assert!(matches!(e, PublishWaitError::TimedOut(_)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            hub.publish_wait(
                Publication::new("a", "2"),
                Instant::now() + Duration::from_secs(10),
            )
            .unwrap()
        });
        for want in ["1", "2"] {
            let e = s
                .recv_deadline(Instant::now() + Duration::from_secs(10))
                .unwrap();
            assert_eq!(&e.payload()[..], want.as_bytes());
        }
    });
}

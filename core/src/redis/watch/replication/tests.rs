//! A master with one replica on a link of a given width, in steps of 50 ms, and looks at
//! it as they are taken.

use super::*;

const STEP: Duration = Duration::from_millis(50);

/// What a master does with a replica, as far as `INFO` shows it.
struct Model {
    now: Duration,
    written: u64,
    /// Bytes per second.
    writes: u64,
    link: u64,
    limit: u64,
    backlog: u64,
    replica: Link,
    /// What the replica has got, and what it has confirmed.
    got: u64,
    confirmed: u64,
    confirms: Duration,
    full_syncs: u64,
    failed_resumes: u64,
    looks: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Link {
    Online,
    /// Until the copy is begun to be sent.
    Waiting(Duration),
    /// Until it tries again; whether it knows the history.
    Gone(Duration, bool),
}

impl Model {
    fn new(writes: u64) -> Self {
        Model {
            now: Duration::ZERO,
            written: 0,
            writes,
            link: u64::MAX,
            limit: 1 << 20,
            backlog: 1 << 20,
            replica: Link::Online,
            got: 0,
            confirmed: 0,
            confirms: Duration::from_secs(1),
            full_syncs: 1,
            failed_resumes: 0,
            looks: 0,
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        self.written += self.writes / 20;
        match self.replica {
            Link::Online => {
                self.got = self.written.min(self.got.saturating_add(self.link / 20));
                if self.now >= self.confirms {
                    self.confirms = self.now + Duration::from_secs(1);
                    self.confirmed = self.got;
                }
                if self.written - self.got > self.limit {
                    self.replica = Link::Gone(self.now + Duration::from_secs(1), true);
                }
            }
            Link::Waiting(until) if self.now >= until => {
                self.replica = Link::Online;
                (self.got, self.confirmed) = (self.written, self.written);
            }
            Link::Gone(until, knows) if self.now >= until => {
                if knows && self.written - self.got <= self.backlog {
                    self.replica = Link::Online;
                } else {
                    self.failed_resumes += u64::from(knows);
                    self.full_syncs += 1;
                    self.replica = Link::Waiting(self.now + Duration::from_secs(5));
                }
            }
            Link::Waiting(_) | Link::Gone(..) => {}
        }
    }

    fn seen(&self) -> Seen {
        let online = self.replica == Link::Online;
        let seat = Seat {
            address: "r:1".into(),
            online,
            offset: if online { self.confirmed } else { 0 },
            silent: Duration::ZERO,
        };
        let gone = matches!(self.replica, Link::Gone(..));
        Seen {
            master: true,
            lineage: "l".into(),
            offset: self.written,
            seats: if gone { vec![] } else { vec![seat] },
            ..Seen::default()
        }
    }

    fn stats(&self) -> Stats {
        Stats {
            full_syncs: self.full_syncs,
            resumes: 0,
            failed_resumes: self.failed_resumes,
            evicted: 0,
        }
    }

    /// Runs for some seconds, with a look every so often, the counters in every fourth one and
    /// while something is odd; when the code was first named, in seconds from here.
    fn run(
        &mut self,
        seconds: u64,
        every: Duration,
        followers: &mut Followers,
        start: Instant,
        code: &str,
    ) -> Option<f64> {
        let from = self.now;
        let mut next = self.now;
        let mut named = None;
        while self.now < from + Duration::from_secs(seconds) {
            self.step();
            if self.now >= next {
                next = self.now + every;
                let now = start + self.now;
                let long = self.looks.is_multiple_of(4) || followers.is_odd();
                self.looks += 1;
                let stats = long.then(|| self.stats());
                followers.look(&self.seen(), stats.as_ref(), now);
                if named.is_none() && codes(followers, now).contains(&code) {
                    named = Some((self.now - from).as_secs_f64());
                }
            }
        }
        named
    }
}

fn codes(followers: &Followers, now: Instant) -> Vec<&'static str> {
    let mut reasons = Reasons::default();
    followers.reasons("m:1", now, &mut reasons);
    reasons.codes()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_thin_link_is_named_as_a_loop_and_a_wide_one_ends_it() {
    let start = Instant::now();
    let mut model = Model::new(5_000_000);
    let mut followers = Followers::default();
    let before = model.run(10, SECOND, &mut followers, start, code::RESYNC_LOOP);
    assert_eq!(before, None);
    model.link = 100_000;
    let named = model.run(20, SECOND, &mut followers, start, code::RESYNC_LOOP);
    assert!(named.unwrap() <= 5.0, "{named:?}");
    assert!(followers.view(None, start + model.now).unwrap().resync_loop);
    model.link = u64::MAX;
    model.run(60, SECOND, &mut followers, start, "");
    assert_eq!(codes(&followers, start + model.now), [""; 0]);
    assert!(!followers.is_odd());
}

#[test]
fn a_replica_that_was_restarted_is_no_loop() {
    let start = Instant::now();
    let mut model = Model::new(5_000_000);
    let mut followers = Followers::default();
    model.run(10, SECOND, &mut followers, start, "");
    // It knows nothing after its start, and is far behind as the rhythm of confirmations has it.
    model.replica = Link::Gone(model.now + 3 * SECOND, false);
    let named = model.run(60, SECOND, &mut followers, start, code::RESYNC_LOOP);
    assert_eq!(named, None);
    let view = followers.view(None, start + model.now).unwrap();
    assert!(view.replicas[0].online && !view.resync_loop);
    assert!((56..60).contains(&view.steady.as_secs()), "{view:?}");
    assert!((51..53).contains(&view.stable.as_secs()), "{view:?}");
}

#[test]
fn a_replica_that_restarts_between_two_looks_is_no_loop() {
    for looks in 0..5 {
        let start = Instant::now();
        let mut model = Model::new(5_000_000);
        let mut followers = Followers::default();
        // Whether or not the look that sees it begin asks for the counters.
        model.run(10 + looks, SECOND, &mut followers, start, "");
        model.replica = Link::Gone(model.now + SECOND / 3, false);
        let named = model.run(20, SECOND, &mut followers, start, code::RESYNC_LOOP);
        assert_eq!(named, None, "{looks}");
    }
}

#[test]
fn a_copy_that_does_not_get_through_is_a_loop() {
    let start = Instant::now();
    let mut model = Model::new(5_000_000);
    let mut followers = Followers::default();
    model.replica = Link::Waiting(SECOND * 100);
    model.run(3, SECOND, &mut followers, start, "");
    model.replica = Link::Gone(model.now + SECOND, false);
    let named = model.run(5, SECOND, &mut followers, start, code::RESYNC_LOOP);
    assert!(named.is_some());
    // The same when it fell between two looks.
    let mut followers = Followers::default();
    let mut model = Model::new(5_000_000);
    model.replica = Link::Waiting(SECOND * 100);
    model.run(3, SECOND, &mut followers, start, "");
    model.full_syncs += 1;
    let named = model.run(2, SECOND, &mut followers, start, code::RESYNC_LOOP);
    assert!(named.is_some());
}

#[test]
fn without_counters_the_loop_shows_all_the_same() {
    let start = Instant::now();
    let mut model = Model::new(5_000_000);
    let mut followers = Followers::default();
    model.link = 100_000;
    for _ in 0..8 {
        for _ in 0..20 {
            model.step();
        }
        followers.look(&model.seen(), None, start + model.now);
    }
    assert_eq!(codes(&followers, start + model.now)[0], code::RESYNC_LOOP);
}

#[test]
fn a_replica_that_lags_without_being_cut_off_is_behind() {
    let start = Instant::now();
    let mut model = Model::new(2_000_000);
    model.limit = u64::MAX;
    let mut followers = Followers::default();
    model.run(5, SECOND, &mut followers, start, "");
    model.link = 100_000;
    let named = model.run(10, SECOND, &mut followers, start, code::REPLICA_BEHIND);
    assert!(named.unwrap() <= 5.0, "{named:?}");
}

#[test]
fn another_history_is_not_compared_with_the_old_one() {
    let start = Instant::now();
    let mut followers = Followers::default();
    let mut seen = Model::new(0).seen();
    followers.look(&seen, None, start);
    seen.lineage = "other".into();
    seen.seats.clear();
    followers.look(&seen, None, start + SECOND);
    assert_eq!(codes(&followers, start + SECOND), [""; 0]);
}

#[test]
fn what_was_before_is_known_by_the_age_of_connections() {
    let start = Instant::now();
    let day = SECOND * 86_400;
    let mut followers = Followers::default();
    let model = Model::new(0);
    let mut stats = model.stats();
    stats.full_syncs = 20;
    followers.look(&model.seen(), Some(&stats), start);
    let at = |f: &Followers, now| {
        let view = f.view(Some(day), now).unwrap();
        (view.stable.as_secs(), view.steady.as_secs())
    };
    assert_eq!(at(&followers, start + SECOND), (1, 1));
    followers.youngest(SECOND * 500, start);
    assert_eq!(at(&followers, start + SECOND), (501, 501));
    // Nobody was ever copied to twice.
    stats.full_syncs = 1;
    let mut followers = Followers::default();
    followers.look(&model.seen(), Some(&stats), start);
    assert_eq!(at(&followers, start + SECOND), (1, 86_400));
}

#[test]
fn a_server_that_nobody_ever_followed_is_as_it_was_since_its_start() {
    let start = Instant::now();
    let day = SECOND * 86_400;
    let seen = Seen {
        master: true,
        ..Seen::default()
    };
    let stable = |stats: &Stats| {
        let mut followers = Followers::default();
        followers.look(&seen, Some(stats), start);
        let view = followers.view(Some(day), start + SECOND).unwrap();
        view.stable
    };
    assert_eq!(stable(&Stats::default()), day);
    // Somebody did, and may have left a moment ago.
    let copied = Stats {
        full_syncs: 1,
        ..Stats::default()
    };
    assert_eq!(stable(&copied), SECOND);
    let resumed = Stats {
        resumes: 1,
        ..Stats::default()
    };
    assert_eq!(stable(&resumed), SECOND);
}

#[test]
fn a_replica_at_the_end_of_the_connection_is_no_master() {
    let start = Instant::now();
    let mut followers = Followers::default();
    let seen = Seen {
        link_up: true,
        ..Seen::default()
    };
    followers.look(&seen, None, start);
    assert_eq!(codes(&followers, start), [code::NOT_MASTER]);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Whatever the load, and whenever one looks: a link that keeps up is never called
    /// behind or looping, though confirmations come once a second.
    #[test]
    fn a_link_that_keeps_up_is_never_blamed(writes in 0u64..200_000_000, every in 300u64..3_000) {
        let start = Instant::now();
        let mut model = Model::new(writes);
        model.limit = u64::MAX;
        let mut followers = Followers::default();
        for _ in 0..20 {
            model.run(1, Duration::from_millis(every), &mut followers, start, "");
            proptest::prop_assert_eq!(codes(&followers, start + model.now), [""; 0]);
        }
    }

    /// One that is too thin is always named within five seconds.
    #[test]
    fn a_link_that_is_too_thin_is_named(writes in 1_500_000u64..50_000_000, link in 1_000u64..200_000, phase in 0u64..1_500, every in 750u64..1_500) {
        let start = Instant::now();
        let mut model = Model::new(writes);
        let mut followers = Followers::default();
        model.limit = u64::MAX;
        let every = Duration::from_millis(every);
        for _ in 0..(phase / 50) {
            model.step();
        }
        model.run(5, every, &mut followers, start, "");
        model.limit = 1 << 20;
        model.link = link;
        let named = model.run(6, every, &mut followers, start, code::RESYNC_LOOP);
        proptest::prop_assert!(named.is_some_and(|after| after <= 5.0), "{:?}", named);
    }
}

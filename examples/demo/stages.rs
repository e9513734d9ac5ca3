//! The stages of a run: everybody joins, the whole stream goes out, some leave and
//! join in silence, as many leave and join while the large event goes out again and
//! again.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use distributary::{Hub, ShareHistogram, Topic};

use super::{
    Failure,
    churn::{Churn, Churned, Outgoing},
    crowd::Crowd,
    events::Entry,
    lanes::{BUSY, IDLE, Lanes, STREAM, Seat},
    latency::Waits,
    progress::Progress,
    rng::Rng,
    text::{count, share},
};

/// The large event goes out at least so often, however few leave.
const LARGE_EVENTS: usize = 20;

/// A run under way.
pub(crate) struct Stages<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) lanes: &'a Lanes,
    pub(crate) crowd: &'a Crowd,
    pub(crate) progress: &'a mut Progress,
    pub(crate) rng: &'a mut Rng,
}

/// The stream went out.
pub(crate) struct Streamed {
    /// Subscriptions reached, summed over the events, as the hub reported.
    pub(crate) reached: u64,
    /// From the first publish to the last delivery.
    pub(crate) took: Duration,
    /// Time that the publisher spent publishing.
    pub(crate) publishing: Duration,
    pub(crate) shares: ShareHistogram,
}

/// Some left and joined.
pub(crate) struct Restless {
    pub(crate) churned: Churned,
    /// How long commands waited for their lane.
    pub(crate) waits: Waits,
    /// The large events that went out meanwhile.
    pub(crate) large: Large,
}

/// The large event went out, again and again.
#[derive(Default)]
pub(crate) struct Large {
    /// From publish to the last sink.
    pub(crate) times: Vec<Duration>,
    /// How long the publish call took.
    pub(crate) calls: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Stages<'_> {
    /// Subscribes everybody. Their seats, and how long it took.
    pub(crate) fn join(&mut self) -> Result<(Vec<Seat>, Duration), Failure> {
        let all = self.crowd.members.len();
        let mut seats = Vec::with_capacity(all);
        let start = Instant::now();
        for (number, wish) in self.crowd.members.iter().enumerate() {
            let selector = self.crowd.wishes[*wish as usize].selector.clone();
            seats.push(self.lanes.entrance().join(number, selector)?);
            if number % 1_024 == 0 {
                self.progress
                    .step(|| format!("join     {}", share(number, all)));
            }
        }
        self.lanes.settle()?;
        let took = start.elapsed();
        let rate = (all as f64 / took.as_secs_f64()) as u64;
        let (all, rate) = (count(all as u64), count(rate));
        self.progress
            .done(&format!("join     {all} subscriptions, {rate} a second"));
        Ok((seats, took))
    }

    /// Publishes every event once, as fast as it goes.
    pub(crate) fn stream(&mut self, entries: &[Entry]) -> Result<Streamed, Failure> {
        self.lanes.enter(STREAM);
        let all = entries.len();
        let mut reached = 0;
        let mut publishing = Duration::ZERO;
        let start = Instant::now();
        for (number, entry) in entries.iter().enumerate() {
            let before = Instant::now();
            let delivery = self.hub.publish(&entry.topic, entry.payload.clone())?;
            publishing += before.elapsed();
            reached += delivery.subscriptions;
            self.progress
                .step(|| format!("stream   {}", share(number, all)));
        }
        let took = self.lanes.settle()?.saturating_duration_since(start);
        let (all, said) = (count(all as u64), count(reached));
        self.progress
            .done(&format!("stream   {all} events to {said} places"));
        Ok(Streamed {
            reached,
            took,
            publishing,
            shares: self.hub.stats().share,
        })
    }

    /// Lets followers leave and others join while nothing is published.
    pub(crate) fn idle(
        &mut self,
        seats: &mut Vec<Seat>,
        first: usize,
    ) -> Result<Restless, Failure> {
        self.lanes.enter(IDLE);
        self.restless("idle", seats, first, |_, churning| {
            while churning() {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(Large::default())
        })
    }

    /// The same while the large event goes out without a pause.
    pub(crate) fn busy(
        &mut self,
        seats: &mut Vec<Seat>,
        first: usize,
        topic: &Topic,
        payload: &Bytes,
    ) -> Result<Restless, Failure> {
        self.lanes.enter(BUSY);
        let (hub, lanes) = (self.hub, self.lanes);
        self.restless("busy", seats, first, |outgoing, churning| {
            let mut large = Large::default();
            let begun = Instant::now();
            while churning() || large.times.len() < LARGE_EVENTS {
                outgoing.begun.fetch_add(1, SeqCst);
                let start = Instant::now();
                hub.publish(topic, payload.clone())?;
                large.calls.push(start.elapsed());
                outgoing.returned.fetch_add(1, SeqCst);
                let last = lanes.settle()?;
                large.times.push(last.saturating_duration_since(start));
            }
            large.took = begun.elapsed();
            Ok(large)
        })
    }

    /// Churns on another thread while this one does `meanwhile`, which is told whether
    /// the churning goes on.
    fn restless(
        &mut self,
        name: &str,
        seats: &mut Vec<Seat>,
        first: usize,
        meanwhile: impl FnOnce(&Outgoing, &mut dyn FnMut() -> bool) -> Result<Large, Failure>,
    ) -> Result<Restless, Failure> {
        let before = self.hub.stats().control_wait;
        let (outgoing, done) = (Outgoing::default(), AtomicUsize::new(0));
        let churn = Churn {
            entrance: self.lanes.entrance(),
            selector: &self.crowd.wishes[0].selector,
            outgoing: &outgoing,
            done: &done,
            count: self.crowd.followers / 5,
            first,
        };
        let (rng, progress) = (&mut *self.rng, &mut *self.progress);
        let (churned, large) = thread::scope(|scope| {
            let thread = scope.spawn(|| churn.run(seats, rng));
            let mut churning = || {
                let done = share(done.load(SeqCst), churn.count);
                progress.step(|| format!("{name:<8} {done} have left and others joined"));
                !thread.is_finished()
            };
            let large = meanwhile(&outgoing, &mut churning);
            let churned = thread.join().map_err(|_| "the churning thread panicked")?;
            Ok::<_, Failure>((churned?, large?))
        })?;
        self.lanes.settle()?;
        let said = count(churn.count as u64);
        let events = match large.times.len() {
            0 => "nothing published".to_owned(),
            events => format!("the large event published {} times", count(events as u64)),
        };
        progress.done(&format!("{name:<8} {said} left, {said} joined, {events}"));
        let waits = Waits::between(&before, &self.hub.stats().control_wait);
        Ok(Restless {
            churned,
            waits,
            large,
        })
    }
}

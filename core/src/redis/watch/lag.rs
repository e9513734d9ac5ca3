//! How late probes are: what is on its way, and what came lately.
//!
//! A probe goes the whole way that an event goes, out to the server and back on the same
//! connection. One that never came back counts with the age it had when the connection
//! broke, so that an outage is not forgotten for want of a measurement.
//!
//! The window is a minute, and never more than [`MOST`] probes. Percentiles are exact
//! within it. They tell what was; of fewer than a hundred probes the p99 is the worst one, and a
//! stall of a third of a second is seen in it for a minute. Whether a way is slow *now* is
//! judged by [`lasting`], which forgets within [`LATELY`] and overlooks a single stall.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::backplane::Lag;

/// From here on an event is late.
pub(crate) const LATE: Duration = Duration::from_millis(900);

/// How far back the window reaches.
const WINDOW: Duration = Duration::from_secs(60);

/// How far back it is looked for what is slow now.
const LATELY: Duration = Duration::from_secs(10);

/// As many probes as the window holds: twice what a minute sends.
const MOST: usize = 512;

/// For how long probes have to be prompt after a late one until the way is called well
/// again.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The probes of one connection, and of those before it.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    /// Number and departure of those under way, in order.
    out: VecDeque<(u64, Instant)>,
    /// When it came, and how late it was.
    came: VecDeque<(Instant, Duration)>,
    last: u64,
    late: u64,
    late_at: Option<Instant>,
    /// When the first prompt one came after that.
    prompt_at: Option<Instant>,
}

impl Probes {
    /// A probe leaves; the number that it carries.
    pub(crate) fn sent(&mut self, now: Instant) -> u64 {
        self.last += 1;
        if self.out.len() == MOST {
            // The oldest stays: it tells for how long nothing has come.
            self.out.remove(1);
        }
        self.out.push_back((self.last, now));
        self.last
    }

    /// A probe came, so late. One that was not under way, or was passed by a later one, says
    /// nothing.
    pub(crate) fn heard(&mut self, number: u64, now: Instant) -> Option<Duration> {
        let at = self.out.iter().position(|(out, _)| *out == number)?;
        let (_, sent) = self.out[at];
        self.out.drain(..=at);
        let lag = now.saturating_duration_since(sent);
        self.count(lag, now);
        if lag >= LATE {
            self.late_at = Some(now);
            self.prompt_at = None;
        } else if self.late_at.is_some() {
            self.prompt_at.get_or_insert(now);
        }
        Some(lag)
    }

    /// The thread has slept: nobody is to blame for the time of those under way.
    pub(crate) fn excused(&mut self, now: Instant) {
        for (_, sent) in &mut self.out {
            *sent = now;
        }
    }

    /// How many came late since this was asked last.
    pub(crate) fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }

    /// The connection is gone, and with it what was under way. The next one is not slow
    /// for that.
    pub(crate) fn broken(&mut self, now: Instant) {
        if let Some(age) = self.waiting(now)
            && age >= LATE
        {
            self.count(age, now);
        }
        self.late_at = None;
        self.prompt_at = None;
        self.out.clear();
    }

    fn count(&mut self, lag: Duration, now: Instant) {
        if lag >= LATE {
            self.late += 1;
        }
        let old = |(came, _): &(Instant, _)| now.saturating_duration_since(*came) > WINDOW;
        while self.came.len() == MOST || self.came.front().is_some_and(old) {
            self.came.pop_front();
        }
        self.came.push_back((now, lag));
    }

    /// How late those were that came in this time, and the one that should long be here: as
    /// late as it is already.
    fn within(&self, time: Duration, now: Instant) -> impl Iterator<Item = Duration> {
        let came = self.came.iter();
        came.filter(move |(came, _)| now.saturating_duration_since(*came) <= time)
            .map(|(_, lag)| *lag)
            .chain(self.waiting(now).filter(|age| *age >= LATE))
    }

    /// Whether a probe is under way.
    pub(crate) fn is_out(&self, number: u64) -> bool {
        self.out.binary_search_by_key(&number, |out| out.0).is_ok()
    }

    /// The oldest probe under way.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.out.front().map(|(number, _)| *number)
    }

    /// How long the oldest probe under way has been waited for.
    pub(crate) fn waiting(&self, now: Instant) -> Option<Duration> {
        let (_, sent) = self.out.front()?;
        Some(now.saturating_duration_since(*sent))
    }

    /// Whether a late one came, and it is not a second since that probes are prompt again.
    pub(crate) fn late_lately(&self, now: Instant) -> bool {
        let passed = |at: Instant| now.saturating_duration_since(at);
        let Some(late_at) = self.late_at else {
            return false;
        };
        // As long as nothing else has come, nothing is known of the way.
        self.prompt_at.is_none() || passed(late_at) < REMEMBERED
    }
}

/// The figures over the probes of several connections.
pub(crate) fn figures<'a>(all: impl IntoIterator<Item = &'a Probes>, now: Instant) -> Lag {
    let mut lags = Vec::new();
    let mut lag = Lag::default();
    for probes in all {
        lags.extend(probes.within(WINDOW, now));
        // One slow server among many is as bad as if it were alone.
        lag.lasting = lag
            .lasting
            .max(lasting(probes.within(LATELY, now).collect()));
    }
    lags.sort_unstable();
    let of_hundred = |share: usize| {
        let rank = (lags.len() * share).div_ceil(100).max(1);
        lags.get(rank - 1).copied().unwrap_or_default()
    };
    lag.p50 = of_hundred(50);
    lag.p99 = of_hundred(99);
    lag.max = lags.last().copied().unwrap_or_default();
    lag.probes = lags.len() as u64;
    lag
}

/// What more than a tenth of these probes reached, and at least three of them: a limit below
/// it is not kept to. Of fewer than three all had to reach it.
fn lasting(mut lags: Vec<Duration>) -> Duration {
    lags.sort_unstable_by(|one, other| other.cmp(one));
    let rank = (lags.len() / 10 + 1).max(3).min(lags.len());
    let reached = rank.checked_sub(1).and_then(|at| lags.get(at));
    reached.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_lasts_is_what_many_reached() {
        for (late, prompt, lasting_late) in [
            (0, 0, false),
            (0, 13, false),
            // Nothing else is known.
            (1, 0, true),
            (2, 0, true),
            (1, 1, false),
            (2, 1, false),
            (3, 0, true),
            // Three of few are enough,
            (2, 11, false),
            (3, 10, true),
            (3, 26, true),
            // of many it takes more than a tenth.
            (3, 27, false),
            (4, 36, false),
            (5, 35, true),
            (40, 0, true),
        ] {
            let mut lags = vec![ms(343); late];
            lags.resize(late + prompt, ms(3));
            let reached = lasting(lags) >= ms(200);
            assert_eq!(reached, lasting_late, "{late} late, {prompt} prompt");
        }
    }

    #[test]
    fn a_stall_does_not_last_and_a_slow_way_does_until_it_is_well_for_ten_seconds() {
        let start = Instant::now();
        let mut probes = Probes::default();
        let mut now = start;
        let mut probe = |lag: Duration| {
            let number = probes.sent(now);
            probes.heard(number, now + lag);
            now += ms(750).max(lag);
            figures([&probes], now)
        };
        for _ in 0..20 {
            probe(ms(2));
        }
        let stalled = probe(ms(343));
        assert_eq!((stalled.p99, stalled.lasting), (ms(343), ms(2)));
        for _ in 0..2 {
            probe(ms(343));
        }
        assert_eq!(probe(ms(343)).lasting, ms(343));
        let well = (1..=14).position(|_| probe(ms(2)).lasting < ms(200));
        assert!(well.is_some_and(|probes| probes >= 8), "{well:?}");
    }

    #[test]
    fn one_slow_server_among_many_lasts() {
        let start = Instant::now();
        let mut all: Vec<Probes> = (0..20).map(|_| Probes::default()).collect();
        for (at, probes) in all.iter_mut().enumerate() {
            for i in 0..10 {
                let sent = start + ms(i * 750);
                let number = probes.sent(sent);
                probes.heard(number, sent + ms(if at == 7 { 400 } else { 1 }));
            }
        }
        let lag = figures(&all, start + ms(8_000));
        assert_eq!((lag.p50, lag.lasting), (ms(1), ms(400)));
    }

    #[test]
    fn percentiles_are_those_of_the_window() {
        let start = Instant::now();
        let mut probes = Probes::default();
        for i in 1..=200 {
            let sent = start + ms(i * 100);
            let number = probes.sent(sent);
            probes.heard(number, sent + ms(i));
        }
        let now = start + ms(20_300);
        let lag = figures([&probes], now);
        assert_eq!((lag.p50, lag.p99, lag.max), (ms(100), ms(198), ms(200)));
        assert_eq!((probes.take_late(), lag.probes), (0, 200));
        let later = figures([&probes], start + WINDOW + ms(20_000));
        assert!(later.probes <= 3 && later.max == ms(200), "{later:?}");
        assert_eq!(figures([&probes], now + WINDOW).probes, 0);
    }

    #[test]
    fn a_probe_that_does_not_come_is_as_late_as_it_is_old() {
        let start = Instant::now();
        let mut probes = Probes::default();
        probes.sent(start);
        assert_eq!(figures([&probes], start + ms(899)).max, Duration::ZERO);
        assert_eq!(figures([&probes], start + ms(2_000)).max, ms(2_000));
        assert!(!probes.late_lately(start + ms(2_000)));
        probes.broken(start + ms(2_500));
        assert_eq!(probes.waiting(start + ms(2_500)), None);
        let lag = figures([&probes], start + ms(3_000));
        assert_eq!((lag.max, probes.take_late()), (ms(2_500), 1));
        assert!(!probes.late_lately(start + ms(3_000)));
        let number = probes.sent(start + ms(3_000));
        probes.heard(number, start + ms(4_000));
        assert!(probes.late_lately(start + ms(4_999)));
        // Nothing has shown yet that it is well again.
        assert!(probes.late_lately(start + ms(5_999)));
    }

    #[test]
    fn a_second_of_prompt_probes_makes_up_for_a_late_one() {
        let start = Instant::now();
        let mut probes = Probes::default();
        let late = probes.sent(start);
        probes.heard(late, start + ms(1_500));
        for i in 0..4 {
            let sent = start + ms(1_500 + 250 * i);
            let number = probes.sent(sent);
            assert!(probes.late_lately(sent), "{i}");
            probes.heard(number, sent + ms(1));
        }
        assert!(probes.late_lately(start + ms(2_499)));
        assert!(!probes.late_lately(start + ms(2_500)));
        // Another late one begins it anew.
        let late = probes.sent(start + ms(2_500));
        probes.heard(late, start + ms(3_400));
        let prompt = probes.sent(start + ms(3_400));
        probes.heard(prompt, start + ms(3_401));
        assert!(probes.late_lately(start + ms(4_399)));
        assert!(!probes.late_lately(start + ms(4_400)));
    }

    #[test]
    fn foreign_and_repeated_numbers_say_nothing() {
        let start = Instant::now();
        let mut probes = Probes::default();
        let first = probes.sent(start);
        let second = probes.sent(start + ms(250));
        probes.heard(second, start + ms(251));
        probes.heard(first, start + ms(5_000));
        probes.heard(second, start + ms(5_000));
        probes.heard(99, start + ms(5_000));
        let lag = figures([&probes], start + ms(5_000));
        assert_eq!((lag.probes, lag.max), (1, ms(1)));
    }

    #[test]
    fn the_window_is_bounded() {
        let start = Instant::now();
        let mut probes = Probes::default();
        for _ in 0..10 * MOST {
            let number = probes.sent(start);
            probes.sent(start);
            probes.heard(number, start);
        }
        assert!(probes.came.len() <= MOST && probes.out.len() <= MOST);
        // The oldest is the one that tells for how long nothing has come.
        let oldest = probes.oldest();
        for _ in 0..2 * MOST {
            probes.sent(start + ms(250));
        }
        assert!(probes.out.len() <= MOST);
        assert!(oldest.is_some() && probes.oldest() == oldest);
    }
}

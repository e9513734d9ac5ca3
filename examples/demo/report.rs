//! The table and the pictures at the end, at most 100 columns wide.

use std::{fmt::Write, time::Duration};

use distributary::Stats;

use super::{
    checks::Check,
    lanes::{BUSY, Books, LANES, STREAM},
    latency::{QUANTILES, Waits, quantile},
    memory::Resident,
    sockets::Sockets,
    stages::{Restless, Streamed},
    text::{bar, bytes, count, percent, short, time},
};

/// The columns of the picture's bars.
const BAR: usize = 24;

/// Everything that was measured.
pub(crate) struct Measured {
    pub(crate) title: String,
    pub(crate) followed: String,
    pub(crate) large_bytes: u64,
    pub(crate) subscriptions: u64,
    /// Of these: followers, on other topics, with filters.
    pub(crate) kinds: [usize; 3],
    pub(crate) join: Duration,
    pub(crate) streamed: Streamed,
    pub(crate) idle: Restless,
    pub(crate) busy: Restless,
    pub(crate) stats: Stats,
    pub(crate) books: Books,
    /// Before the hub was there, with everybody subscribed, at the end.
    pub(crate) memory: [Option<Resident>; 3],
    pub(crate) sockets: Option<Sockets>,
    pub(crate) checks: Vec<Check>,
}

impl Measured {
    pub(crate) fn is_well(&self) -> bool {
        self.checks.iter().all(|check| check.wrong.is_none())
    }

    /// The whole report.
    pub(crate) fn text(&self) -> String {
        let mut page = Page(String::new());
        page.line(format_args!("{}", self.title));
        self.crowd(&mut page);
        self.deliveries(&mut page);
        self.disconnects(&mut page);
        self.shares(&mut page);
        self.memory(&mut page);
        if let Some(sockets) = &self.sockets {
            sockets.report(&mut page);
        }
        self.verdicts(&mut page);
        page.0
    }

    fn crowd(&self, page: &mut Page) {
        let stats = &self.stats;
        page.head("Subscriptions");
        page.row("followers of one topic", count(self.kinds[0] as u64));
        page.row("on other topics", count(self.kinds[1] as u64));
        page.row("with filters", count(self.kinds[2] as u64));
        let rate = self.subscriptions as f64 / self.join.as_secs_f64();
        page.row("joined at", format!("{} a second", count(rate as u64)));
        page.row(
            "filters",
            format!(
                "{} indexed, {} scanned",
                count(stats.filters_indexed as u64),
                count(stats.filters_scanned as u64)
            ),
        );
        page.row(
            "feeds, topics, patterns",
            format!(
                "{}, {}, {}",
                count(stats.feeds as u64),
                count(stats.topics as u64),
                count(stats.patterns as u64)
            ),
        );
    }

    fn deliveries(&self, page: &mut Page) {
        let per_second = |events: u64, took: Duration| {
            let rate = events as f64 / took.as_secs_f64().max(1e-9);
            format!("{} a second", count(rate as u64))
        };
        let (streamed, large, stats) = (&self.streamed, &self.busy.large, &self.stats);
        let events: u64 = streamed.shares.buckets().map(|(_, events)| events).sum();
        page.head("The stream, as fast as it goes");
        let delivered = self.books.received(STREAM);
        page.row(
            "deliveries",
            format!("{} in {}", count(delivered), time(streamed.took)),
        );
        page.row("", per_second(delivered, streamed.took));
        let mean = streamed.publishing / u32::try_from(events.max(1)).unwrap_or(u32::MAX);
        page.row("one publish call, mean", time(mean));

        page.head("The large event, while as many leave as join");
        page.row(
            "to",
            format!("{}, {}", short(&self.followed, 48), bytes(self.large_bytes)),
        );
        let delivered = self.books.received(BUSY);
        let published = count(large.times.len() as u64);
        page.row(
            "published",
            format!("{published} times in {}", time(large.took)),
        );
        page.row(
            "deliveries",
            format!(
                "{}, {}",
                count(delivered),
                per_second(delivered, large.took)
            ),
        );
        for (what, values) in [
            ("publish to the last sink", &large.times),
            ("the publish call", &large.calls),
        ] {
            let mut values = values.clone();
            values.sort_unstable();
            let [median, worst] = [0.5, 1.0].map(|q| time(quantile(&values, q)));
            page.row(what, format!("median {median}, worst {worst}"));
        }

        page.head("All of it");
        page.row("published", count(stats.published));
        page.row("matched feeds", count(stats.matched));
        page.row("delivered", count(stats.delivered));
        page.row("told as missed", count(stats.missed));
        page.row(
            "dropped",
            format!(
                "{} oldest, {} newest, {} stale, {} pressed",
                count(stats.dropped_oldest),
                count(stats.dropped_newest),
                count(stats.dropped_stale),
                count(stats.dropped_pressed)
            ),
        );
        page.row("writes to closed sinks", count(stats.closed_writes));
        let (delivered, check) = self.books.bytes();
        page.row(
            "bytes through the sinks",
            format!("{}, check {check:016x}", bytes(delivered)),
        );
    }

    fn disconnects(&self, page: &mut Page) {
        let stages = [("idle", &self.idle), ("busy", &self.busy)];
        page.head("Disconnects");
        page.line(format_args!(
            "  {:<36}{:>12}{:>12}{:>12}{:>12}",
            "", "p50", "p99", "p99.9", "max"
        ));
        let mut calls = stages.map(|(_, stage)| stage.churned.leaves.clone());
        for ((name, _), calls) in stages.iter().zip(&mut calls) {
            calls.sort_unstable();
            let of = QUANTILES.map(|q| time(quantile(calls, q)));
            page.quantiles(&format!("the call, {name}"), &of);
        }
        for (name, stage) in stages {
            // Bounds of buckets: at most twice the true value.
            let of = QUANTILES.map(|q| format!("< {}", time(stage.waits.quantile(q))));
            page.quantiles(&format!("until the lane did it, {name}"), &of);
        }
        let [idle, busy] = calls.map(|calls| Waits::of(&calls));
        page.versus("How long the call took", &idle, &busy);
        let (idle, busy) = (&self.idle.waits, &self.busy.waits);
        page.versus(
            "How long leaves and joins waited for their lane",
            idle,
            busy,
        );
    }

    fn shares(&self, page: &mut Page) {
        let share = &self.stats.share;
        page.head("Share of connections hit by one event");
        page.row(
            "last, max",
            format!("{}, {}", percent(share.last()), percent(share.max())),
        );
        let buckets: Vec<_> = self.streamed.shares.buckets().collect();
        let most = buckets.iter().map(|(_, events)| *events).max().unwrap_or(0);
        page.line(format_args!("\n  {:<16}{:>10}", "of the stream", "events"));
        for (bound, events) in buckets {
            let label = match bound {
                0.0 => "nobody".to_owned(),
                bound => format!("up to {}", percent(bound)),
            };
            let bar = bar(events, most, 2 * BAR);
            page.line(format_args!("  {label:<16}{:>10}  {bar}", count(events)));
        }
    }

    fn memory(&self, page: &mut Page) {
        page.head("Memory");
        let resident = |at: usize| match self.memory[at] {
            Some(resident) => bytes(resident.now),
            None => "not known on this system".to_owned(),
        };
        page.row("resident before the hub", resident(0));
        page.row("with everybody subscribed", resident(1));
        if let [Some(before), Some(after), _] = self.memory {
            let each = after.now.saturating_sub(before.now) / self.subscriptions.max(1);
            page.row("for each, the demo's own books too", bytes(each));
        }
        page.row("at the end", resident(2));
        if let Some(end) = self.memory[2] {
            page.row("at most", bytes(end.peak));
        }
        page.row("held by the hub in events", bytes(self.stats.bytes_held));
    }

    fn verdicts(&self, page: &mut Page) {
        page.head("Checked");
        for check in &self.checks {
            match &check.wrong {
                None => page.line(format_args!("  ok      {}", check.what)),
                Some(wrong) => page.line(format_args!("  WRONG   {}: {wrong}", check.what)),
            }
        }
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        page.line(format_args!(
            "\n\
             {LANES} lane threads, a publisher and a thread that disconnects, on {cores} cores. Where there are more\n\
             threads than cores, the longest times are those in which a thread waited for its turn. An\n\
             idle lane sleeps, so a disconnect then has to wake its thread; a busy one finds it on its way."
        ));
        if self.sockets.is_some() {
            page.line(format_args!(
                "Clients of sockets share these cores with the server, and so does the thread that pings: how long\n\
                 it overslept is what the machine adds to its times."
            ));
        }
    }
}

/// A page that is being written. Writing to a `String` cannot fail.
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let start = self.0.len();
        let _ = self.0.write_fmt(line);
        let end = self.0[start..].trim_end().len();
        self.0.truncate(start + end);
        self.0.push('\n');
    }

    pub(crate) fn head(&mut self, title: &str) {
        let rule = "─".repeat(90usize.saturating_sub(title.chars().count()));
        self.line(format_args!("\n── {title} {rule}"));
    }

    pub(crate) fn row(&mut self, label: &str, value: impl AsRef<str>) {
        self.line(format_args!("  {label:<36}{}", value.as_ref()));
    }

    pub(crate) fn quantiles(&mut self, label: &str, values: &[String]) {
        let _ = write!(self.0, "  {label:<36}");
        for value in values {
            let _ = write!(self.0, "{value:>12}");
        }
        self.0.push('\n');
    }

    /// Two histograms side by side.
    fn versus(&mut self, title: &str, idle: &Waits, busy: &Waits) {
        let pairs = idle.0.iter().zip(&busy.0);
        let rows: Vec<_> = pairs
            .map(|((bound, idle), (_, busy))| (*bound, *idle, *busy))
            .collect();
        let most = rows.iter().map(|(_, idle, busy)| *idle.max(busy)).max();
        let most = most.unwrap_or(0);
        let is_used = |(_, idle, busy): &(Duration, u64, u64)| idle + busy > 0;
        let first = rows.iter().position(is_used).unwrap_or(0);
        let end = rows.iter().rposition(is_used).map_or(0, |last| last + 1);
        self.line(format_args!("\n  {title}"));
        self.line(format_args!(
            "  {:>10}  {:>8} {:<BAR$}  {:>8} busy",
            "below", "", "idle", ""
        ));
        for (bound, idle, busy) in &rows[first..end] {
            self.line(format_args!(
                "  {:>10}  {:>8} {}  {:>8} {}",
                time(*bound),
                count(*idle),
                bar(*idle, most, BAR),
                count(*busy),
                bar(*busy, most, BAR),
            ));
        }
    }
}

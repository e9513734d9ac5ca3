//! The part of the report about real sockets.

use std::time::Duration;

use super::super::{
    latency::{QUANTILES, quantile},
    report::Page,
    text::{bytes, count, short, time},
};
use super::{ROW, SINGLE, Sockets, link::Pings};

impl Sockets {
    pub(crate) fn report(&self, page: &mut Page) {
        let clients = count(self.clients as u64);
        page.head("Real sockets");
        page.row(
            "clients, in a second process",
            match self.clients < self.wanted {
                true => format!("{clients} WebSockets, for the system gives no more descriptors"),
                false => format!("{clients} WebSockets"),
            },
        );
        page.row("threads that serve them", count(self.lanes as u64));
        let rate = self.clients as f64 / self.connecting.as_secs_f64().max(1e-9);
        page.row("connected at", format!("{} a second", count(rate as u64)));
        let [least, most] = self.bytes.map(|size| bytes(size as u64));
        page.row(
            "posts to",
            format!("{}, {least} to {most}", short(self.topic.as_str(), 40)),
        );
        self.times(page);
        self.waits(page);
        self.memory(page);
        page.row("writes to closed sockets", count(self.closed_writes()));
    }

    /// How long posts took.
    fn times(&self, page: &mut Page) {
        let mut single = self.single.clone();
        single.sort_unstable();
        let [median, worst] = [0.5, 1.0].map(|q| quantile(&single, q));
        let each = |took: Duration, posts: u32| {
            time(took / posts / u32::try_from(self.clients).unwrap_or(u32::MAX))
        };
        page.row(
            "one post, until the last has it",
            format!("median {}, worst {} of {SINGLE}", time(median), time(worst)),
        );
        page.row("for each socket", each(median, 1));
        page.row(
            &format!("{ROW} posts in a row, while some leave"),
            format!(
                "{}, {} a delivery",
                time(self.row),
                each(self.row, ROW as u32)
            ),
        );
    }

    /// How long an unrelated ping and a disconnect waited.
    fn waits(&self, page: &mut Page) {
        page.line(format_args!(
            "\n  {:<36}{:>12}{:>12}{:>12}{:>12}",
            "", "p50", "p99", "p99.9", "max"
        ));
        let mut row = |label: &str, mut values: Vec<Duration>| {
            values.sort_unstable();
            let values = QUANTILES.map(|q| time(quantile(&values, q)));
            page.quantiles(label, &values);
        };
        let durations = |nanos: &[u64]| nanos.iter().copied().map(Duration::from_nanos).collect();
        let Pings { answered, .. } = &self.summary.idle;
        row("an unrelated ping, before", durations(answered));
        let Pings {
            answered,
            overslept,
        } = &self.summary.busy;
        row("an unrelated ping, during", durations(answered));
        row("that thread oversleeps, during", durations(overslept));
        row(
            &format!("{} disconnects, each", count(self.noticed.len() as u64)),
            self.noticed.clone(),
        );
        let all = time(self.all_noticed);
        page.row("from the first one to the last", all);
        page.line(format_args!(""));
    }

    fn memory(&self, page: &mut Page) {
        let [before, connected, end] = self.memory;
        if let (Some(before), Some(connected), Some(end)) = (before, connected, end) {
            let each = connected.now.saturating_sub(before.now) / self.clients.max(1) as u64;
            page.row(
                "resident with nobody connected",
                format!("{}, what came before included", bytes(before.now)),
            );
            page.row(
                "with everybody connected",
                format!("{}, {} a connection", bytes(connected.now), bytes(each)),
            );
            page.row("after all posts", bytes(end.now));
        }
    }
}

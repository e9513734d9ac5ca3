//! Counters as Prometheus reads them: the text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::{DurationHistogram, ShareHistogram, Stats};

/// A page of metrics. Each family is named once, with its samples right behind it.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// Begins a family.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str("# HELP ");
        self.0.push_str(name);
        self.0.push(' ');
        escape(&mut self.0, help, false);
        self.line(format_args!("\n# TYPE {name} {kind}"));
    }

    /// Adds a sample to the family begun last.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            self.0.push(if i == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            escape(&mut self.0, text, true);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// A histogram of durations, in seconds. Its bounds are exclusive where Prometheus
    /// takes them as inclusive: a nanosecond that nobody will look for.
    pub(crate) fn durations(&mut self, name: &str, help: &str, durations: &DurationHistogram) {
        let buckets = durations
            .buckets()
            .map(|(bound, n)| (bound.as_secs_f64(), n));
        let buckets: Vec<_> = buckets.collect();
        // The last takes all beyond, so that its bound is none.
        let bounded = &buckets[..buckets.len().saturating_sub(1)];
        let sum = durations.sum().as_secs_f64();
        self.histogram(name, help, bounded, durations.count(), sum);
    }

    /// A histogram of shares, with the latest and the largest beside it.
    pub(crate) fn shares(&mut self, name: &str, help: &str, shares: &ShareHistogram) {
        let buckets: Vec<_> = shares.buckets().collect();
        let count = buckets.iter().map(|bucket| bucket.1).sum();
        self.histogram(name, help, &buckets, count, shares.sum());
        self.gauge(
            &format!("{name}_last"),
            "The latest of them.",
            shares.last(),
        );
        self.gauge(&format!("{name}_max"), "The largest so far.", shares.max());
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: &[(f64, u64)], count: u64, sum: f64) {
        self.family(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, n) in buckets {
            below += n;
            self.sample(&bucket, &[("le", &bound.to_string())], below);
        }
        self.sample(&bucket, &[("le", "+Inf")], count);
        self.sample(&format!("{name}_sum"), &[], sum);
        self.sample(&format!("{name}_count"), &[], count);
    }

    fn line(&mut self, rest: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{rest}");
    }
}

/// Backslashes and line feeds are escaped everywhere, quotes in labels.
fn escape(text: &mut String, plain: &str, label: bool) {
    for letter in plain.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if label => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

impl Stats {
    /// These counters as Prometheus reads them (text format 0.0.4). Every name begins
    /// with `distributary_`.
    pub fn prometheus(&self) -> String {
        let mut page = Page::default();
        for (name, help, value) in [
            (
                "distributary_subscriptions",
                "Subscriptions alive now.",
                self.subscriptions,
            ),
            (
                "distributary_topics",
                "Topics known now.",
                self.topics as u64,
            ),
            ("distributary_feeds", "Feeds alive now.", self.feeds as u64),
            (
                "distributary_patterns",
                "Patterns alive now.",
                self.patterns as u64,
            ),
            (
                "distributary_filters_indexed",
                "Filters that are found through the index.",
                self.filters_indexed as u64,
            ),
            (
                "distributary_filters_scanned",
                "Filters that every event of their topic or pattern is tried against.",
                self.filters_scanned as u64,
            ),
            (
                "distributary_index_bytes",
                "What the indexes over filters take.",
                self.index_bytes as u64,
            ),
            (
                "distributary_held_bytes",
                "Weight of all events alive.",
                self.bytes_held,
            ),
            (
                "distributary_log_bytes",
                "What the logs of feeds take to hold them.",
                self.log_bytes,
            ),
        ] {
            page.gauge(name, help, value);
        }
        for (name, help, value) in [
            (
                "distributary_events_total",
                "Events published.",
                self.published,
            ),
            (
                "distributary_events_unmatched_total",
                "Events that no subscription asked for.",
                self.unmatched,
            ),
            (
                "distributary_appends_total",
                "Appends of events to feeds.",
                self.matched,
            ),
            (
                "distributary_reached_total",
                "Subscriptions reached, summed over events.",
                self.reached,
            ),
            (
                "distributary_deliveries_total",
                "Events handed to subscribers.",
                self.delivered,
            ),
            (
                "distributary_missed_total",
                "Events that subscribers were told they missed.",
                self.missed,
            ),
            (
                "distributary_events_unreadable_total",
                "Events that a filter wanted to read and that are no JSON objects.",
                self.unreadable,
            ),
            (
                "distributary_slow_closed_total",
                "Subscriptions closed as slow consumers.",
                self.slow_closed,
            ),
            (
                "distributary_panicked_total",
                "Subscriptions closed because their callback panicked.",
                self.panicked,
            ),
            (
                "distributary_closed_writes_total",
                "Deliveries to a sink that had been closed. Stays 0.",
                self.closed_writes,
            ),
        ] {
            page.counter(name, help, value);
        }
        let name = "distributary_dropped_total";
        page.family(
            name,
            "counter",
            "Unread events dropped from feeds, by reason.",
        );
        for (reason, value) in [
            ("oldest", self.dropped_oldest),
            ("newest", self.dropped_newest),
            ("stale", self.dropped_stale),
            ("pressed", self.dropped_pressed),
            ("conflated", self.conflated),
        ] {
            page.sample(name, &[("reason", reason)], value);
        }
        page.shares(
            "distributary_event_share",
            "Share of live subscriptions that an event reached.",
            &self.share,
        );
        page.durations(
            "distributary_drain_seconds",
            "From publish until the last subscription of a feed had the event.",
            &self.drain,
        );
        page.durations(
            "distributary_control_wait_seconds",
            "From the posting of a control command to a lane until it was carried out.",
            &self.control_wait,
        );
        page.into_text()
    }
}

/// How many families a page has; each stands once, its samples behind it, and all names
/// begin with `prefix`.
#[cfg(test)]
#[track_caller]
pub(crate) fn checked(page: &str, prefix: &str) -> usize {
    let mut families = std::collections::HashSet::new();
    let mut family = "";
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap();
            assert!(families.insert(family), "{line}");
            assert!(family.starts_with(prefix), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert!(kind.starts_with(family), "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(family), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    families.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Meters;

    #[test]
    fn text_is_escaped_where_it_has_to_be() {
        let mut page = Page::default();
        page.family("a", "gauge", "one \"line\"\nand a \\");
        page.sample("a", &[("b", "say \"x\"\n\\"), ("c", "ü")], 0.5);
        assert_eq!(
            page.into_text(),
            "# HELP a one \"line\"\\nand a \\\\\n# TYPE a gauge\n\
             a{b=\"say \\\"x\\\"\\n\\\\\",c=\"ü\"} 0.5\n"
        );
    }

    #[test]
    fn histograms_are_cumulative_and_end_in_everything() {
        let meters = Meters::default();
        meters.drained(100);
        meters.drained(300);
        meters.drained(u64::MAX / 2);
        meters.published(1, 1, 0.5);
        meters.published(0, 0, 0.0);
        let page = meters.stats().prometheus();
        for line in [
            "distributary_drain_seconds_bucket{le=\"0.000000256\"} 1\n",
            "distributary_drain_seconds_bucket{le=\"0.000000512\"} 2\n",
            "distributary_drain_seconds_bucket{le=\"+Inf\"} 3\n",
            "distributary_drain_seconds_count 3\n",
            "distributary_event_share_bucket{le=\"0\"} 1\n",
            "distributary_event_share_bucket{le=\"0.25\"} 1\n",
            "distributary_event_share_bucket{le=\"0.5\"} 2\n",
            "distributary_event_share_bucket{le=\"+Inf\"} 2\n",
            "distributary_event_share_sum 0.5\n",
            "distributary_events_total 2\n",
        ] {
            assert!(page.contains(line), "{line}{page}");
        }
    }

    #[test]
    fn every_line_is_one_of_the_format_and_every_family_stands_once() {
        let page = Meters::default().stats().prometheus();
        assert!(checked(&page, "distributary_") > 20);
    }
}

//! The counters of migrations, in Prometheus' text format.

use super::{
    counts::SideCounts,
    moved::Moved,
    stage::{Side, Stage},
};
use crate::{metrics::prometheus::Page, sync::StdArc};

type Value = fn(&SideCounts) -> u64;

const COUNTERS: [(&str, &str, Value); 4] = [
    (
        "distributary_migration_read_total",
        "Events that came by a side.",
        |side| side.read,
    ),
    (
        "distributary_migration_written_total",
        "Events that went to a side.",
        |side| side.written,
    ),
    (
        "distributary_migration_duplicates_total",
        "Events that had come by the other side already.",
        |side| side.duplicates,
    ),
    (
        "distributary_migration_only_total",
        "Events that came by one side alone.",
        |side| side.only,
    ),
];

pub(super) fn text(all: &[StdArc<Moved>]) -> String {
    let mut page = Page::default();
    if all.is_empty() {
        return page.into_text();
    }
    for (name, help, value) in COUNTERS {
        page.family(name, "counter", help);
        for moved in all {
            let sides = moved.counters.sides();
            for (side, counts) in [(Side::Old, sides.old), (Side::New, sides.new)] {
                let labels = [("topic", moved.topic.as_str()), ("side", side.as_str())];
                page.sample(name, &labels, value(&counts));
            }
        }
    }
    let name = "distributary_migration_stage";
    page.family(name, "gauge", "1 for the stage that was entered.");
    for moved in all {
        for stage in Stage::ALL {
            let labels = [("topic", moved.topic.as_str()), ("stage", stage.as_str())];
            page.sample(name, &labels, u8::from(stage == moved.stage()));
        }
    }
    page.into_text()
}

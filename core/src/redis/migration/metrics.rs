//! The counters of migrations, in Prometheus' text format.

use std::fmt::Write;

use super::{
    counts::SideCounts,
    moved::Moved,
    stage::{Side, Stage},
};
use crate::sync::StdArc;

type Value = fn(&SideCounts) -> u64;

const COUNTERS: [(&str, &str, Value); 4] = [
    ("read", "Events that came by a side", |side| side.read),
    ("written", "Events that went to a side", |side| side.written),
    (
        "duplicates",
        "Events that had come by the other side already",
        |side| side.duplicates,
    ),
    ("only", "Events that came by one side alone", |side| {
        side.only
    }),
];

pub(super) fn text(all: &[StdArc<Moved>]) -> String {
    let mut text = String::new();
    if all.is_empty() {
        return text;
    }
    let mut line = |line: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = text.write_fmt(line);
        text.push('\n');
    };
    for (name, help, value) in COUNTERS {
        let name = format!("distributary_migration_{name}_total");
        line(format_args!("# HELP {name} {help}."));
        line(format_args!("# TYPE {name} counter"));
        for moved in all {
            let sides = moved.counters.sides();
            for (side, counts) in [(Side::Old, sides.old), (Side::New, sides.new)] {
                let topic = escaped(moved.topic.as_str());
                let value = value(&counts);
                line(format_args!(
                    "{name}{{topic=\"{topic}\",side=\"{side}\"}} {value}"
                ));
            }
        }
    }
    let name = "distributary_migration_stage";
    line(format_args!(
        "# HELP {name} 1 for the stage that was entered."
    ));
    line(format_args!("# TYPE {name} gauge"));
    for moved in all {
        let topic = escaped(moved.topic.as_str());
        for stage in Stage::ALL {
            let here = u8::from(stage == moved.stage());
            line(format_args!(
                "{name}{{topic=\"{topic}\",stage=\"{stage}\"}} {here}"
            ));
        }
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

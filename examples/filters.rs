//! Filters: who gets which event, how a template serves many subscribers, and how
//! each filter is found.
//!
//! ```text
//! cargo run --example filters
//! ```
//!
//! A filter says which fields of an event must look how. A hub does not try its
//! filters one after the other; [`Filter::explain`] tells by what an event finds one.

#[macro_use]
mod pipe;

use std::error::Error;

use distributary::{Filter, Hub, Selector, Subscription, Template, TryRecvError, Variables, field};

const EVENTS: [&str; 5] = [
    r#"{"doc": 7, "kind": "edit", "author": {"role": "editor"}, "size": 120}"#,
    r#"{"doc": 7, "kind": "view", "author": {"role": "guest"}}"#,
    r#"{"doc": 8, "kind": "edit", "author": {"role": "owner"}, "size": 9000}"#,
    r#"{"doc": 9, "kind": "comment", "tags": ["urgent", "legal"]}"#,
    "not JSON: it goes to those who ask for no field",
];

fn main() -> Result<(), Box<dyn Error>> {
    // One template, compiled once; each subscriber brings values. What clients send
    // only ever stands for values: it cannot become a condition of its own.
    let watching = Template::parse(r#"{"doc": [{"$var": "docs"}], "kind": ["edit"]}"#)?;
    println!("variables of the template: {:?}\n", watching.variables());
    let ann = watching.bind(&Variables::new().with("docs", 7))?;
    let bob = watching.bind(&Variables::new().with("docs", [7, 8, 9]))?;

    let filters = [
        ("ann watches 7", ann),
        ("bob watches 7-9", bob),
        (
            "large or urgent",
            Filter::parse(
                r#"{"$or": [{"size": [{"numeric": [">", 1000]}]}, {"tags": ["urgent"]}]}"#,
            )?,
        ),
        (
            "not by guests",
            Filter::parse(r#"{"author": {"role": [{"anything-but": "guest"}]}}"#)?,
        ),
        // The same language, written in Rust.
        (
            "written in Rust",
            (field("author.role").eq("owner") & field("size").exists()).compile()?,
        ),
        ("everything", Filter::all()),
    ];

    let hub = Hub::new();
    let mut readers: Vec<(&str, Subscription)> = Vec::new();
    println!("{:<16} found by", "filter");
    for (name, filter) in filters {
        println!("{name:<16} {}", filter.explain());
        let selector = Selector::topic("docs")?.filter(filter);
        readers.push((name, hub.subscribe(selector)?));
    }

    for event in EVENTS {
        hub.publish("docs", event)?;
        println!("\n{event}");
        for (name, reader) in &mut readers {
            match reader.try_recv() {
                Ok(_) => println!("    -> {name}"),
                Err(TryRecvError::Empty) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    let stats = hub.stats();
    println!(
        "\n{} filters indexed, {} scanned, {} event that was no JSON",
        stats.filters_indexed, stats.filters_scanned, stats.unreadable
    );

    println!("\nWhat is wrong is said with its place:");
    let typo = r#"{"size": [{"numeric": [">", "9"]}]}"#;
    if let Err(error) = Filter::parse(typo) {
        println!("  {typo}\n  {error}");
    }
    if let Err(error) = watching.bind(&Variables::new()) {
        println!("  {error}");
    }
    Ok(())
}

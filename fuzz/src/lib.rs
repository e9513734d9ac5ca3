//! What the fuzz targets check: one module each, with a `run` that panics when a promise is broken.
//!
//! An input is text where that makes sense, so that seeds and crashes can be read and written by hand; bytes that
//! are not UTF-8 are replaced rather than refused, so that no input is spent on nothing. The same functions run
//! over the seeds in a plain `cargo test`.

pub mod arrivals;
mod choices;
pub mod envelope;
pub mod fields;
pub mod glob;
pub mod index;
pub mod messages;
pub mod predicate;
pub mod websocket;

/// A target's name, and what it runs on an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name of its binary and of its folder of seeds.
pub const TARGETS: &[Target] = &[
    ("arrivals", arrivals::run),
    ("envelope", envelope::run),
    ("fields", fields::run),
    ("glob", glob::run),
    ("index", index::run),
    ("messages", messages::run),
    ("predicate", predicate::run),
    ("websocket", websocket::run),
];

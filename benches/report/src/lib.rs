//! What all benchmarks of the project have in common: contenders that take turns,
//! figures with their spread, targets that are reached or missed, and the table that
//! says so; the processes that they run in, and the command line that starts them.

pub mod bench;
pub mod child;
pub mod kept;
pub mod machine;
pub mod process;
pub mod report;
pub mod rounds;

/// What any step of a measurement may end with.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

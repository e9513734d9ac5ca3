//! What filters see of an event: scalars by path.
//!
//! A [`Path`] names a field, a [`Projection`] is the set of paths that somebody asks for, and [`Fields`] is what one event shows of
//! them. Nothing here knows what a filter is.
//!
//! Arrays are transparent: the elements of an array are values of the path the array stands at. Repeated keys count with all their
//! values, and a key with dots is the path that it spells.

mod attributes;
mod json;
mod leaves;
mod number;
mod path;
mod projection;
mod scan;
mod skim;
mod skip;
mod strict;
mod value;

#[cfg(all(test, not(loom)))]
mod tests;

pub use attributes::Attributes;
pub use json::NotJson;
#[cfg(feature = "fuzzing")]
pub(crate) use json::Reader;
pub use number::Number;
pub use path::{Path, PathId};
pub use value::{Value, ValueRef};

pub(crate) use leaves::{Fields, Leaf, Place};
pub(crate) use projection::Projection;

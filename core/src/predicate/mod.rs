//! Filters: conditions on the fields of an event, in the language of EventBridge patterns.
//!
//! A text goes through three forms. [`parse`] and [`leaf`] check it into a *draft*; [`compile`] splits the draft into an interned
//! *shape* and a row of constants; a [`Filter`] is a reference to the shape and its own constants, which is all that a subscriber
//! costs. A [`Template`] stops before the last step until it is given its variables. [`eval`] and [`scoped`] say what a filter
//! admits; they are the definition that an index of filters must agree with.
//!
//! Nothing here knows topics, subscribers or how filters are filed.

mod builder;
mod compile;
mod draft;
mod error;
mod eval;
mod fold;
mod leaf;
mod net;
mod parse;
mod scoped;
mod shape;
mod template;
mod variables;
mod wildcard;

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

pub use builder::{Comparand, Field, Predicate, Var, field, var};
pub use error::{BindError, FilterError};
pub use template::Template;
pub use variables::{Variable, Variables};

pub(crate) use fold::fold_char;
pub(crate) use net::{Net, address_bits, mask};
pub(crate) use shape::{Alternative, Expr, Op, Shape, Slot, SlotId, Slots, Test};

use crate::fields::{Fields, NotJson, Path, Projection};

/// Which events a subscriber wants: a compiled pattern. Cheap to clone.
///
/// # The language
/// A pattern mirrors the event: `{"author": {"role": [alternatives]}, "size": [alternatives]}`. All fields must hold, and a field
/// holds if one of its alternatives does; a scalar alone stands for a list of it. `{"a.b": …}` and `{"a": {"b": …}}` are the same.
/// `{}` admits everything. Of a repeated key the last counts.
///
/// | alternative | some value of the field |
/// |---|---|
/// | `"x"`, `3`, `true`, `null` | is that; `300`, `3e2` and `300.0` are one number |
/// | `{"prefix": "x"}`, `{"suffix": "x"}` | begins, ends so; `{"prefix": {"equals-ignore-case": "x"}}` in either case |
/// | `{"equals-ignore-case": "x"}` | is equal by simple case folding |
/// | `{"wildcard": "a*b"}` | matches, `*` being any run; `\*` and `\\` are themselves |
/// | `{"numeric": [">", 0, "<=", 9]}` | is a number in that range; one bound is enough; `=` too |
/// | `{"cidr": "10.0.0.0/8"}` | is an address of that network |
/// | `{"anything-but": x}` | is not `x`, or none of a list, or of `{"prefix": …}` and the like |
/// | `{"exists": true}`, `{"exists": false}` | is there; none is there |
///
/// `"$or"` and `"$and"` hold lists of patterns and `"$not"` one pattern; they stand beside fields, at any level.
///
/// The values of an array are values of its field. So `anything-but` holds of an array if *some* element differs;
/// `{"$not": {"tags": ["x"]}}` says that *no* element is `x`, and holds also if there is none. Fields that go through one array of
/// objects must find their values in one element of it, and what is missing is missing in that element.
///
/// # The payload
/// One JSON object; of a repeated key all values count. An event whose payload is not matches `{}` alone.
///
/// A payload of 256 bytes and more is looked through as far as the filters it meets ask for fields. Every object and array on the
/// way to such a field is checked to its end; of any other value it is only seen that its strings and brackets end, not what
/// stands inside. So a payload that is broken in there is read all the same, one that is broken elsewhere or cut short is not
/// JSON, and one that *is* JSON is always read as written. Shorter payloads are checked whole. Who cannot trust what is published
/// checks it before.
///
/// # Equality
/// Filters of equal meaning are equal, as far as that is seen from their form: order of fields, of alternatives and of operands,
/// the spelling of numbers and paths, and whether a value was written or bound make no difference.
///
/// ```
/// use distributary::Filter;
///
/// let filter = Filter::parse(r#"{"author": {"role": ["editor", "owner"]}, "size": [{"numeric": [">", 0, "<=", 1024]}]}"#)?;
/// assert!(filter.matches_json(br#"{"author": {"role": "owner", "name": "ann"}, "size": 9}"#)?);
/// assert!(!filter.matches_json(br#"{"author": {"role": "owner"}}"#)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Filter(crate::sync::Arc<Parts>);

struct Parts {
    shape: Arc<Shape>,
    hash: u64,
    slots: Slots,
}

impl Filter {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Where the pattern is wrong, what stood there, and what was expected. Limits: 64 KiB of text, depth 32, 10,000 leaves,
    /// 1,000 conjunctions once `$or` is expanded.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Filter::from_draft(parse::parse(text)?)
    }

    /// The filter that admits everything, `{}`.
    #[must_use]
    pub fn all() -> Filter {
        Filter::from_parts(Shape::intern(Expr::All(Box::default())), Slots::new())
    }

    /// Whether it admits everything because it asks for nothing.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.expr().is_all()
    }

    /// Whether it admits an event with this payload. Reads the payload for this one filter; for many filters use a hub.
    ///
    /// # Errors
    /// The payload is not a JSON object, as far as it [has to be read](Filter#the-payload); a filter that asks for nothing admits it
    /// nevertheless.
    pub fn matches_json(&self, payload: &[u8]) -> Result<bool, NotJson> {
        if self.is_all() {
            return Ok(true);
        }
        let mut fields = Fields::new();
        Projection::new(self.paths().cloned()).from_json(payload, &mut fields)?;
        Ok(self.admits(&fields))
    }

    /// The structure, shared with all filters of the same form.
    pub(crate) fn shape(&self) -> &Arc<Shape> {
        &self.0.shape
    }

    /// The condition; its constants are looked up with [`Filter::slot`].
    pub(crate) fn expr(&self) -> &Expr {
        &self.0.shape.expr
    }

    /// The constants of one operator.
    pub(crate) fn slot(&self, id: SlotId) -> &Slot {
        &self.0.slots[id.index()]
    }

    /// The paths this filter reads, ascending by text, each once.
    pub(crate) fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.0.shape.paths.iter()
    }

    fn from_parts(shape: Arc<Shape>, slots: Slots) -> Filter {
        static HASHER: LazyLock<ahash::RandomState> = LazyLock::new(ahash::RandomState::new);
        let hash = HASHER.hash_one((&*shape, &slots[..]));
        Filter(crate::sync::Arc::new(Parts { shape, hash, slots }))
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        crate::sync::Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash
                && Arc::ptr_eq(&self.0.shape, &other.0.shape)
                && self.0.slots == other.0.slots)
    }
}

impl Eq for Filter {}

impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash.hash(state);
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        Filter::parse(text)
    }
}

impl TryFrom<&serde_json::Value> for Filter {
    type Error = FilterError;

    fn try_from(pattern: &serde_json::Value) -> Result<Filter, FilterError> {
        Filter::parse(&pattern.to_string())
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("condition", self.expr())
            .field("constants", &self.0.slots)
            .finish()
    }
}

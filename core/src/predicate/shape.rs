//! The structure of a filter, apart from its constants.
//!
//! Live filters come from few templates: same fields, same operators, other constants. So a filter is a [`Shape`], shared and
//! interned, and a row of [`Slot`]s with its own constants. Filters that mean the same structure have the same shape, however
//! they were made; then equality of filters is one pointer and the slots.
//!
//! Shapes are canonical: nested conjunctions are flat, fields, alternatives and operands are in a fixed order, constants of one
//! operator in one list are one slot.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Weak};

use hashbrown::HashTable;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::net::Net;
use crate::fields::{Path, Value};

/// A condition on an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Expr {
    /// All hold. Without parts: holds of every event. Never directly inside another `All`.
    All(Box<[Expr]>),
    /// At least one holds. Has at least two parts. Never directly inside another `Any`.
    Any(Box<[Expr]>),
    /// Does not hold; judged inside of the array elements that the rest of the pattern chose on the way to `within`.
    Not { within: Option<Path>, of: Box<Expr> },
    /// A test of one field.
    Test(Test),
}

/// Holds if one of the alternatives does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Test {
    pub(crate) path: Path,
    /// Not empty. Each kind of positive match stands at most once.
    pub(crate) alternatives: Box<[Alternative]>,
}

/// What one alternative of a field asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Alternative {
    /// Some value matches one of the slot's constants.
    Match(Op, SlotId),
    /// Some value matches none of the slot's constants (a value of another type does so).
    Mismatch(Op, SlotId),
    /// Some value is a number between the bounds, at least one of which is there.
    Range {
        low: Option<Bound>,
        high: Option<Bound>,
    },
    /// There is a value.
    Exists,
    /// There is none.
    Missing,
}

/// How a value is compared with one constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Op {
    /// Equal scalars.
    Equal,
    /// Strings, equal after folding; the constant is folded already. So for the other two that fold.
    EqualFold,
    Prefix,
    PrefixFold,
    Suffix,
    SuffixFold,
    /// The constant is a pattern with `*` and `\`, see [`super::wildcard`].
    Wildcard,
    /// The constants are networks, [`Slot::nets`].
    Cidr,
}

/// One end of a range; the slot holds one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bound {
    pub(crate) slot: SlotId,
    pub(crate) inclusive: bool,
}

/// Index into the slots of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId(pub(super) u16);

impl SlotId {
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The constants of one operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    One(Value),
    /// Two or more, ascending, without duplicates.
    Many(Arc<[Value]>),
    /// Boxed: its 128-bit address would align and widen every slot.
    OneNet(Box<Net>),
    /// Two or more, ascending, without duplicates.
    ManyNets(Arc<[Net]>),
}

impl Slot {
    /// The constants, ascending and without duplicates; empty for networks.
    pub(crate) fn values(&self) -> &[Value] {
        match self {
            Slot::One(value) => std::slice::from_ref(value),
            Slot::Many(values) => values,
            Slot::OneNet(_) | Slot::ManyNets(_) => &[],
        }
    }

    /// The networks; empty for everything else.
    pub(crate) fn nets(&self) -> &[Net] {
        match self {
            Slot::OneNet(net) => std::slice::from_ref(&**net),
            Slot::ManyNets(nets) => nets,
            Slot::One(_) | Slot::Many(_) => &[],
        }
    }
}

/// One, as nearly all filters have, lies inside of the filter itself.
pub(crate) type Slots = SmallVec<[Slot; 1]>;

/// An interned structure.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) expr: Expr,
    /// Every path in the expression, ascending, without duplicates.
    pub(crate) paths: Box<[Path]>,
    /// No `$not` and no `exists: false` in it: more leaves never make it fail.
    pub(crate) monotone: bool,
    /// There is an `$or` in it.
    pub(crate) has_choice: bool,
    hash: u64,
}

static SHAPES: LazyLock<Mutex<Shapes>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Shapes {
    entries: HashTable<(u64, Weak<Shape>)>,
    hasher: ahash::RandomState,
}

impl Shape {
    /// The one shape with this structure, which must be canonical.
    pub(super) fn intern(expr: Expr) -> Arc<Shape> {
        // Shapes that other threads drop meanwhile must not die under the lock, for they take it then.
        let mut kept = Vec::new();
        let mut shapes = SHAPES.lock();
        let hash = shapes.hasher.hash_one(&expr);
        let is_known = shapes.entries.find(hash, |(known, shape)| {
            *known == hash
                && shape.upgrade().is_some_and(|shape| {
                    let is_equal = shape.expr == expr;
                    kept.push(shape);
                    is_equal
                })
        });
        // The search ended with the equal one, if there was one.
        if let (Some(_), Some(shape)) = (is_known, kept.pop()) {
            drop(shapes);
            return shape;
        }
        let shape = Arc::new(Shape::new(expr, hash));
        shapes
            .entries
            .insert_unique(hash, (hash, Arc::downgrade(&shape)), |(hash, _)| *hash);
        drop(shapes);
        shape
    }

    fn new(expr: Expr, hash: u64) -> Shape {
        let mut paths = Vec::new();
        let mut monotone = true;
        let mut has_choice = false;
        expr.visit(&mut |expr| match expr {
            Expr::Not { .. } => monotone = false,
            Expr::Test(test) => {
                monotone &= !test.alternatives.contains(&Alternative::Missing);
                paths.push(test.path.clone());
            }
            Expr::Any(_) => has_choice = true,
            Expr::All(_) => {}
        });
        paths.sort();
        paths.dedup();
        Shape {
            expr,
            paths: paths.into(),
            monotone,
            has_choice,
            hash,
        }
    }
}

impl Shape {
    /// Whether one field is all it asks for.
    pub(crate) fn is_single_test(&self) -> bool {
        matches!(self.expr, Expr::Test(_))
    }
}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl Drop for Shape {
    fn drop(&mut self) {
        let me: *const Shape = self;
        if let Ok(entry) = SHAPES
            .lock()
            .entries
            .find_entry(self.hash, |(_, shape)| std::ptr::eq(shape.as_ptr(), me))
        {
            entry.remove();
        }
    }
}

impl Expr {
    /// Whether it holds of every event.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Expr::All(parts) if parts.is_empty())
    }

    fn visit<'e>(&'e self, with: &mut impl FnMut(&'e Expr)) {
        with(self);
        match self {
            Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| part.visit(with)),
            Expr::Not { of, .. } => of.visit(with),
            Expr::Test(_) => {}
        }
    }

    /// The conjunctions whose disjunction this is: every `Any` outside of a `Not` expanded. Each is given to `with` as tests and
    /// `Not`s, until `with` returns `true`; returns whether it did. A filter has at most 1,000.
    pub(crate) fn any_conjunction<'e>(&'e self, with: &mut dyn FnMut(&[&'e Expr]) -> bool) -> bool {
        fn expand<'e>(
            todo: &mut SmallVec<[&'e Expr; 8]>,
            done: &mut SmallVec<[&'e Expr; 8]>,
            with: &mut dyn FnMut(&[&'e Expr]) -> bool,
        ) -> bool {
            let Some(next) = todo.pop() else {
                return with(done);
            };
            let found = match next {
                Expr::All(parts) => {
                    let before = todo.len();
                    todo.extend(parts.iter().rev());
                    let found = expand(todo, done, with);
                    todo.truncate(before);
                    found
                }
                Expr::Any(parts) => parts.iter().any(|part| {
                    todo.push(part);
                    let found = expand(todo, done, with);
                    todo.pop();
                    found
                }),
                Expr::Not { .. } | Expr::Test(_) => {
                    done.push(next);
                    let found = expand(todo, done, with);
                    done.pop();
                    found
                }
            };
            todo.push(next);
            found
        }
        expand(
            &mut SmallVec::from_slice(&[self]),
            &mut SmallVec::new(),
            with,
        )
    }
}

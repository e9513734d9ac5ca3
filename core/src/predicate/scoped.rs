//! Evaluation where fields go through arrays of objects.
//!
//! A pattern holds if one element can be chosen from each array on the way of its fields so that every test holds of the chosen
//! elements: then a value is missing if the element has none, and two fields of one array never take their values from two
//! elements. A `$not` inside of a field's object is judged in the elements chosen so far and chooses anew what lies deeper.
//!
//! Given the elements around an object, its fields have nothing more in common. So a conjunction is checked from the outermost
//! array to the innermost, each element once for each conjunction; no combination of elements is ever tried.
//!
//! One case is defined by what it costs: if a key is repeated, once with an object and once with an array of objects, the object
//! counts as one more element.

use std::cell::RefCell;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Filter;
use super::shape::{Expr, Test};
use crate::fields::{Fields, Path, Place};

/// Whether the filter holds, array elements taken one at a time.
pub(super) fn holds(filter: &Filter, fields: &Fields<'_>) -> bool {
    let verdicts = filter.shape().has_choice.then(RefCell::default);
    Scope {
        filter,
        fields,
        verdicts,
    }
    .expr(filter.expr(), Place::EVENT, 0)
}

struct Scope<'s> {
    filter: &'s Filter,
    fields: &'s Fields<'s>,
    /// What became of each `$not` in each element, if the filter has an `$or`: then one stands in many conjunctions, and with one
    /// inside of another the work would multiply.
    verdicts: Option<RefCell<Verdicts>>,
}

type Verdicts = HashMap<(*const Expr, Place), bool, ahash::RandomState>;

/// Tests and negations of which all must hold.
type Conditions<'e> = SmallVec<[&'e Expr; 8]>;

impl Scope<'_> {
    /// Whether `expr` holds inside of the object at the first `depth` segments of its paths, in the element `place`.
    fn expr(&self, expr: &Expr, place: Place, depth: usize) -> bool {
        expr.any_conjunction(&mut |conditions| self.conditions(conditions, place, depth))
    }

    /// Whether all `conditions`, which have the first `depth` segments in common, hold of the object there.
    fn conditions(&self, conditions: &[&Expr], place: Place, depth: usize) -> bool {
        let (mut below, here): (Conditions<'_>, Conditions<'_>) = conditions
            .iter()
            .copied()
            .partition(|condition| path_beyond(condition, depth).is_some());
        // What is judged here and not at a field is a negation of the object itself.
        if !here
            .iter()
            .all(|condition| self.condition(condition, place, depth))
        {
            return false;
        }
        while let Some(path) = below.first().and_then(|first| path_beyond(first, depth)) {
            let field = path.ancestor(depth + 1);
            let (group, others): (Conditions<'_>, Conditions<'_>) =
                below.iter().copied().partition(|condition| {
                    path_beyond(condition, depth)
                        .is_some_and(|path| path.ancestor(depth + 1) == field)
                });
            if !self.field(&group, field, place, depth + 1) {
                return false;
            }
            below = others;
        }
        true
    }

    /// Whether `conditions`, all at or below `field`, which is the last of `depth` segments, hold of the object in `place`.
    fn field(&self, conditions: &[&Expr], field: &Path, place: Place, depth: usize) -> bool {
        let (tests, below): (Conditions<'_>, Conditions<'_>) =
            conditions.iter().copied().partition(
                |condition| matches!(condition, Expr::Test(test) if test.path.depth() == depth),
            );
        if !tests.iter().all(|test| self.condition(test, place, depth)) {
            return false;
        }
        if below.is_empty() {
            return true;
        }
        let mut elements = self.fields.elements(field.id(), place);
        if elements.len() == 0 {
            return self.conditions(&below, place, depth);
        }
        elements.any(|element| self.conditions(&below, element, depth))
            || (self.is_object_too(&below, place, depth) && self.conditions(&below, place, depth))
    }

    fn condition(&self, condition: &Expr, place: Place, depth: usize) -> bool {
        match condition {
            Expr::Test(test) => self
                .filter
                .passes(test, self.fields.values_in(test.path.id(), place)),
            Expr::Not { of, .. } => !self.remembered(of, place, depth),
            Expr::All(_) | Expr::Any(_) => self.expr(condition, place, depth),
        }
    }

    fn remembered(&self, expr: &Expr, place: Place, depth: usize) -> bool {
        let Some(verdicts) = &self.verdicts else {
            return self.expr(expr, place, depth);
        };
        let key = (std::ptr::from_ref(expr), place);
        let known = verdicts.borrow().get(&key).copied();
        known.unwrap_or_else(|| {
            let verdict = self.expr(expr, place, depth);
            verdicts.borrow_mut().insert(key, verdict);
            verdict
        })
    }

    /// Whether something below a field that is an array lies outside of its elements, so that the field was there as an object too.
    fn is_object_too(&self, below: &[&Expr], place: Place, depth: usize) -> bool {
        below
            .iter()
            .any(|condition| self.shows(condition, place, depth))
    }

    /// Whether a path that `expr` tests has values in `place` itself, past the first `depth` segments. Only tests are asked: what
    /// other filters read at the field, say the scalars beside the objects of an array, must make no difference.
    fn shows(&self, expr: &Expr, place: Place, depth: usize) -> bool {
        match expr {
            Expr::Test(Test { path, .. }) => {
                !self.fields.values_in(path.id(), place).is_empty()
                    || (depth + 1..path.depth()).any(|depth| {
                        self.fields.elements(path.ancestor(depth).id(), place).len() > 0
                    })
            }
            Expr::Not { of, .. } => self.shows(of, place, depth),
            Expr::All(parts) | Expr::Any(parts) => {
                parts.iter().any(|part| self.shows(part, place, depth))
            }
        }
    }
}

/// The path at which a condition is judged; none for the event itself.
fn path_of(condition: &Expr) -> Option<&Path> {
    match condition {
        Expr::Test(test) => Some(&test.path),
        Expr::Not { within, .. } => within.as_ref(),
        Expr::All(_) | Expr::Any(_) => None,
    }
}

fn path_beyond(condition: &Expr, depth: usize) -> Option<&Path> {
    path_of(condition).filter(|path| path.depth() > depth)
}

//! Does a filter admit an event?
//!
//! Without arrays of objects this is a plain walk over the expression. With them, fields that go through one array must find their
//! values in one element, see [`super::scoped`].

use std::net::IpAddr;

use super::shape::{Alternative, Bound, Expr, Op, Slot, SlotId, Test};
use super::{Filter, fold, scoped, wildcard};
use crate::fields::{Fields, Leaf, ValueRef};

impl Filter {
    /// Whether the event with these fields is admitted. `fields` must come from a projection that has all of [`Filter::paths`].
    pub(crate) fn admits(&self, fields: &Fields<'_>) -> bool {
        let (shape, expr) = (self.shape(), self.expr());
        // With a single field there is nothing that its values would have to be consistent with.
        if !fields.has_elements() || (shape.monotone && shape.is_single_test()) {
            return self.holds(expr, fields);
        }
        // More leaves never hurt a monotone expression: what fails with those of all elements together fails in each.
        if shape.monotone && !self.holds(expr, fields) {
            return false;
        }
        scoped::holds(self, fields)
    }

    /// Whether an event without any field is admitted.
    pub(crate) fn admits_nothing_known(&self) -> bool {
        self.is_all()
    }

    /// Evaluates with all leaves together, whatever element they stand in.
    fn holds(&self, expr: &Expr, fields: &Fields<'_>) -> bool {
        match expr {
            Expr::Test(test) => self.passes(test, fields.values(test.path.id())),
            Expr::All(parts) => parts.iter().all(|part| self.holds(part, fields)),
            Expr::Any(parts) => parts.iter().any(|part| self.holds(part, fields)),
            Expr::Not { of, .. } => !self.holds(of, fields),
        }
    }

    /// Whether the values of a field pass its test.
    pub(super) fn passes(&self, test: &Test, leaves: &[Leaf<'_>]) -> bool {
        test.alternatives
            .iter()
            .any(|alternative| match *alternative {
                Alternative::Match(op, slot) => leaves
                    .iter()
                    .any(|leaf| self.slot(slot).matches(op, &leaf.value)),
                Alternative::Mismatch(op, slot) => leaves
                    .iter()
                    .any(|leaf| !self.slot(slot).matches(op, &leaf.value)),
                Alternative::Range { low, high } => leaves
                    .iter()
                    .any(|leaf| self.in_range(low, high, &leaf.value)),
                Alternative::Exists => !leaves.is_empty(),
                Alternative::Missing => leaves.is_empty(),
            })
    }

    fn in_range(&self, low: Option<Bound>, high: Option<Bound>, value: &ValueRef<'_>) -> bool {
        let Some(number) = value.as_number() else {
            return false;
        };
        let limit = |slot: SlotId| {
            self.slot(slot)
                .values()
                .first()
                .and_then(|value| value.as_number())
        };
        low.is_none_or(|low| {
            limit(low.slot).is_some_and(|limit| {
                if low.inclusive {
                    number >= limit
                } else {
                    number > limit
                }
            })
        }) && high.is_none_or(|high| {
            limit(high.slot).is_some_and(|limit| {
                if high.inclusive {
                    number <= limit
                } else {
                    number < limit
                }
            })
        })
    }
}

impl Slot {
    /// Whether `value` matches one of the constants.
    pub(crate) fn matches(&self, op: Op, value: &ValueRef<'_>) -> bool {
        if op == Op::Equal {
            return match self {
                Slot::One(constant) => value == constant,
                _ => self
                    .values()
                    .binary_search_by(|constant| value.cmp_value(constant).reverse())
                    .is_ok(),
            };
        }
        let Some(text) = value.as_str() else {
            return false;
        };
        let any = |with: fn(&str, &str) -> bool| {
            self.values()
                .iter()
                .filter_map(|value| value.as_str())
                .any(|it| with(text, it))
        };
        match op {
            Op::Equal => false,
            Op::EqualFold => any(fold::equals),
            Op::Prefix => any(|text, prefix| text.starts_with(prefix)),
            Op::PrefixFold => any(fold::starts_with),
            Op::Suffix => any(|text, suffix| text.ends_with(suffix)),
            Op::SuffixFold => any(fold::ends_with),
            Op::Wildcard => any(|text, pattern| wildcard::matches(pattern, text)),
            Op::Cidr => text
                .parse::<IpAddr>()
                .is_ok_and(|address| self.nets().iter().any(|net| net.contains(address))),
        }
    }
}

//! A pattern as its author wrote it: parsed and checked, with variables where their values will be.
//!
//! The parser and the builder both make drafts; [`Draft::normalized`] brings them into the one form that equal patterns share.

use super::error::FilterError;
use super::shape::Op;
use crate::fields::{Path, Value};

/// The largest pattern that is taken.
pub(super) mod limits {
    /// Bytes of text.
    pub(in crate::predicate) const TEXT: usize = 64 * 1024;
    /// Segments of a path, with each `$or`, `$and` and `$not` around it.
    pub(in crate::predicate) const DEPTH: usize = 32;
    /// Alternatives and operands.
    pub(in crate::predicate) const LEAVES: usize = 10_000;
    /// Ways to satisfy the pattern, one branch taken of each `$or`.
    pub(in crate::predicate) const CONJUNCTIONS: usize = 1_000;
}

/// See [`super::shape::Expr`], which has the same structure without the operands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    Field {
        path: Path,
        alternatives: Vec<Choice>,
    },
    Not {
        within: Option<Path>,
        of: Box<Draft>,
    },
    Any(Vec<Draft>),
    All(Vec<Draft>),
}

/// One alternative of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Choice {
    Match(Op, Vec<Operand>),
    Mismatch(Op, Vec<Operand>),
    Range { low: Option<End>, high: Option<End> },
    Exists,
    Missing,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) inclusive: bool,
    pub(super) operand: Operand,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operand {
    Const(Value),
    Variable(Placeholder),
}

/// A variable in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Placeholder {
    pub(super) name: Box<str>,
    pub(super) is_optional: bool,
    /// Where in the pattern it stands, for errors.
    pub(super) at: Box<str>,
}

impl Draft {
    /// The form that patterns of equal structure share: conjunctions flat, everything unordered in a fixed order and once.
    pub(super) fn normalized(self) -> Draft {
        match self {
            Draft::Field { path, alternatives } => Draft::Field {
                path,
                alternatives: merged(alternatives),
            },
            Draft::Not { within, of } => Draft::Not {
                within,
                of: Box::new(of.normalized()),
            },
            Draft::Any(parts) => {
                let mut flat = Vec::new();
                for part in parts {
                    match part.normalized() {
                        Draft::Any(inner) => flat.extend(inner),
                        part => flat.push(part),
                    }
                }
                if flat.iter().any(Draft::is_all) {
                    return Draft::All(Vec::new());
                }
                one_or(flat, Draft::Any)
            }
            Draft::All(parts) => {
                let mut flat = Vec::new();
                for part in parts {
                    match part.normalized() {
                        Draft::All(inner) => flat.extend(inner),
                        part => flat.push(part),
                    }
                }
                one_or(flat, Draft::All)
            }
        }
    }

    /// This draft as if the fields with one of the `absent` variables had never been written; a `$not` of nothing else goes too.
    pub(super) fn without(self, absent: &dyn Fn(&Placeholder) -> bool) -> Draft {
        let nothing = Draft::All(Vec::new());
        let all = |parts: Vec<Draft>| parts.into_iter().map(|part| part.without(absent)).collect();
        match self {
            Draft::Field {
                ref alternatives, ..
            } if alternatives
                .iter()
                .any(|choice| choice.variables().any(absent)) =>
            {
                nothing
            }
            Draft::Field { .. } => self,
            Draft::Not { within, of } => match of.without(absent).normalized() {
                of if of.is_all() => nothing,
                of => Draft::Not {
                    within,
                    of: Box::new(of),
                },
            },
            Draft::Any(parts) => Draft::Any(all(parts)),
            Draft::All(parts) => Draft::All(all(parts)),
        }
    }

    /// Whether it asks for nothing.
    pub(super) fn is_all(&self) -> bool {
        matches!(self, Draft::All(parts) if parts.is_empty())
    }

    /// Refuses what is too deep or would expand into too many conjunctions, and several conditions written for one field.
    pub(super) fn check(&self) -> Result<(), FilterError> {
        let conjunctions = self.conjunctions();
        if conjunctions > limits::CONJUNCTIONS {
            let found = format!("$or that expands into {conjunctions} conjunctions");
            return Err(FilterError::limit(
                "",
                &found,
                format!("at most {} conjunctions", limits::CONJUNCTIONS),
            ));
        }
        Ok(())
    }

    /// How many conjunctions this is when every `$or` is expanded; for a `$not`, which is one, what is inside if that is too many.
    fn conjunctions(&self) -> usize {
        match self {
            Draft::Field { .. } => 1,
            Draft::Not { of, .. } => match of.conjunctions() {
                inside if inside > limits::CONJUNCTIONS => inside,
                _ => 1,
            },
            Draft::Any(parts) => parts
                .iter()
                .map(Draft::conjunctions)
                .fold(0, usize::saturating_add),
            Draft::All(parts) => parts
                .iter()
                .map(Draft::conjunctions)
                .fold(1, usize::saturating_mul),
        }
    }
}

impl Choice {
    fn operands(&self) -> impl Iterator<Item = &Operand> {
        let (list, ends) = match self {
            Choice::Match(_, operands) | Choice::Mismatch(_, operands) => {
                (operands.as_slice(), [None, None])
            }
            Choice::Range { low, high } => (&[][..], [low.as_ref(), high.as_ref()]),
            Choice::Exists | Choice::Missing => (&[][..], [None, None]),
        };
        list.iter()
            .chain(ends.into_iter().flatten().map(|end| &end.operand))
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &Placeholder> {
        self.operands().filter_map(|operand| match operand {
            Operand::Variable(placeholder) => Some(placeholder),
            Operand::Const(_) => None,
        })
    }
}

/// Alternatives in order, those of one operator as one: either may hold.
fn merged(alternatives: Vec<Choice>) -> Vec<Choice> {
    let mut merged: Vec<Choice> = Vec::with_capacity(alternatives.len());
    for choice in alternatives {
        if let Choice::Match(op, operands) = choice {
            match merged.iter_mut().find_map(|known| match known {
                Choice::Match(known, operands) if *known == op => Some(operands),
                _ => None,
            }) {
                Some(known) => known.extend(operands),
                None => merged.push(Choice::Match(op, operands)),
            }
        } else {
            merged.push(choice);
        }
    }
    for choice in &mut merged {
        if let Choice::Match(_, operands) | Choice::Mismatch(_, operands) = choice {
            operands.sort();
            operands.dedup();
        }
    }
    merged.sort();
    merged.dedup();
    merged
}

fn one_or(mut parts: Vec<Draft>, many: fn(Vec<Draft>) -> Draft) -> Draft {
    parts.sort();
    parts.dedup();
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}

//! Where a filter is filed: the conditions that it cannot hold without, as keys.
//!
//! A filter is the disjunction of its conjunctions; each is filed on its own. All equalities of a conjunction make one key
//! together, and one more test, the most telling of the rest, tells apart those who agree in that key when they are many. Without
//! an equality that one test has to do alone.
//!
//! A list of values is one key for each; several lists in a conjunction multiply, so lists are left out, longest first, until
//! [`COMBINATIONS`] is kept. One list alone is always filed whole. So the work is in proportion to the filter.
//!
//! All this follows from the filter and nothing else.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::hash;
use super::intervals::{Interval, ordered};
use super::key::{Key, Part};
use super::keyed::Under;
use crate::fields::{PathId, Value};
use crate::predicate::{Alternative, Expr, Filter, Op, SlotId, Test};

/// How many keys several lists of one conjunction may make together.
const COMBINATIONS: usize = 16;

/// How many equalities make a key; so many tell apart what can be told apart.
const PATHS: usize = 16;

/// One place of a filter in an index.
pub(super) struct Filing<'a> {
    /// The paths whose equalities are the key, in ascending order; may be empty.
    pub(super) paths: &'a [PathId],
    /// The joint hash of the values on them.
    pub(super) hash: u64,
    /// The other test.
    pub(super) under: Under<'a>,
    /// Whether the filter has more places than this one, so that an event may meet it twice.
    pub(super) repeats: bool,
    /// Whether this place is one that every event looks at, or every event with one field.
    pub(super) scanned: bool,
}

/// Visits the places of a filter, always in the same order, until told to stop. There is at least one.
pub(super) fn filings(filter: &Filter, mut visit: impl FnMut(Filing<'_>) -> ControlFlow<()>) {
    let alternatives = has_alternatives(filter.expr());
    filter.expr().any_conjunction(&mut |conjunction| {
        let choice = Choice::of(conjunction, filter);
        let keys: SmallVec<[Key; 2]> = choice
            .test
            .map_or(SmallVec::new(), |test| keys(test, filter));
        let under = choice.test.map(|test| (test.path.id(), &keys[..]));

        let mut paths = SmallVec::<[PathId; 4]>::new();
        let mut lists = SmallVec::<[&[Value]; 4]>::new();
        for equality in &choice.equalities {
            paths.push(equality.test.path.id());
            lists.push(equality.values);
        }
        let repeats = alternatives || keys.len() > 1 || lists.iter().any(|list| list.len() > 1);
        let scanned = choice.is_scanned(filter);
        each_choice(&lists, 0, &mut |hash| {
            visit(Filing {
                paths: &paths,
                hash,
                under,
                repeats,
                scanned,
            })
        })
        .is_break()
    });
}

/// Whether some conjunction of the filter can only be found by evaluating it for every event, or every event with one field.
pub(super) fn is_scanned(filter: &Filter) -> bool {
    filter
        .expr()
        .any_conjunction(&mut |conjunction| Choice::of(conjunction, filter).is_scanned(filter))
}

/// What of one conjunction is filed.
pub(super) struct Choice<'f> {
    /// By path, each path once.
    pub(super) equalities: SmallVec<[Equality<'f>; 4]>,
    pub(super) test: Option<&'f Test>,
}

pub(super) struct Equality<'f> {
    pub(super) test: &'f Test,
    values: &'f [Value],
}

impl<'f> Choice<'f> {
    pub(super) fn of(conjunction: &[&'f Expr], filter: &'f Filter) -> Self {
        let mut equalities = SmallVec::<[Equality<'f>; 4]>::new();
        let mut best: Option<(Telling, &Test)> = None;
        let mut consider = |test: &'f Test| {
            if let Some(telling) = Telling::of_test(test, filter)
                && best.is_none_or(|(best, _)| telling < best)
            {
                best = Some((telling, test));
            }
        };
        for expr in conjunction {
            let Expr::Test(test) = expr else {
                continue;
            };
            match *test.alternatives {
                [Alternative::Match(Op::Equal, slot)] => {
                    equalities.push(Equality {
                        test,
                        values: filter.slot(slot).values(),
                    });
                }
                _ => consider(test),
            }
        }
        if equalities.len() > 1 {
            // The sort is stable, so a path that is tested twice keeps the same one of its tests.
            equalities.sort_by_key(|equality| equality.values.len());
            let mut combinations = 1;
            let mut kept = SmallVec::<[Equality<'f>; 4]>::new();
            for equality in equalities {
                let more = combinations * equality.values.len();
                let fits = kept.is_empty() || more <= COMBINATIONS && kept.len() < PATHS;
                if fits
                    && kept
                        .iter()
                        .all(|other| other.test.path != equality.test.path)
                {
                    combinations = more;
                    kept.push(equality);
                } else {
                    consider(equality.test);
                }
            }
            kept.sort_unstable_by_key(|equality| equality.test.path.id());
            equalities = kept;
        }
        // Beside an equality, a test that nearly every event passes tells nobody apart.
        let worth =
            |&(telling, _): &(Telling, _)| equalities.is_empty() || telling < Telling::Presence;
        Choice {
            test: best.filter(worth).map(|(_, test)| test),
            equalities,
        }
    }

    /// Whether every event has to look at this conjunction, or every event with one field that it does not just ask to exist.
    pub(super) fn is_scanned(&self, filter: &Filter) -> bool {
        self.equalities.is_empty()
            && !filter.is_all()
            && self
                .test
                .and_then(|test| Telling::of_test(test, filter))
                .is_none_or(|telling| telling == Telling::Little)
    }
}

/// How much of the events a test leaves over, as far as that can be told without seeing any.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Telling {
    Value,
    LongText,
    Between,
    ShortText,
    Above,
    Presence,
    /// Presence too, but of a test that asks for more than that.
    Little,
}

impl Telling {
    /// `None` if the test also holds of events that do not have its path.
    fn of_test(test: &Test, filter: &Filter) -> Option<Telling> {
        test.alternatives
            .iter()
            .try_fold(Telling::Value, |worst, alternative| {
                let telling = match *alternative {
                    Alternative::Missing => return None,
                    Alternative::Exists => Telling::Presence,
                    Alternative::Mismatch(..) => Telling::Little,
                    Alternative::Range {
                        low: Some(_),
                        high: Some(_),
                    } => Telling::Between,
                    Alternative::Range { .. } => Telling::Above,
                    Alternative::Match(Op::Equal, _) => Telling::Value,
                    Alternative::Match(Op::Cidr, slot) => {
                        let long = filter
                            .slot(slot)
                            .nets()
                            .iter()
                            .all(|net| net.length() >= 16);
                        if long {
                            Telling::LongText
                        } else {
                            Telling::ShortText
                        }
                    }
                    Alternative::Match(op, slot) => {
                        let of_value = |value| match known(op, value) {
                            Some(Part::Folded(_)) => Telling::LongText,
                            Some(
                                Part::Begin(text)
                                | Part::End(text)
                                | Part::BeginFolded(text)
                                | Part::EndFolded(text),
                            ) => {
                                if text.len() > 2 {
                                    Telling::LongText
                                } else {
                                    Telling::ShortText
                                }
                            }
                            None => Telling::Little,
                        };
                        filter
                            .slot(slot)
                            .values()
                            .iter()
                            .map(of_value)
                            .max()
                            .unwrap_or(Telling::Little)
                    }
                };
                Some(worst.max(telling))
            })
    }
}

/// The keys of a test that has some: whatever passes the test has one of them. Just one, if it is that the path is present.
fn keys(test: &Test, filter: &Filter) -> SmallVec<[Key; 2]> {
    let mut keys = SmallVec::new();
    for alternative in &test.alternatives {
        match *alternative {
            Alternative::Missing | Alternative::Exists | Alternative::Mismatch(..) => {
                keys.push(Key::Present)
            }
            Alternative::Range { low, high } => {
                let end = |slot: SlotId| {
                    filter
                        .slot(slot)
                        .values()
                        .first()
                        .and_then(Value::as_number)
                };
                let low = low
                    .and_then(|low| end(low.slot))
                    .map_or(0, |low| ordered(low.to_f64()));
                let high = high
                    .and_then(|high| end(high.slot))
                    .map_or(u64::MAX, |high| ordered(high.to_f64()));
                keys.push(Key::Within(Interval { low, high }));
            }
            Alternative::Match(Op::Equal, slot) => {
                keys.extend(
                    filter
                        .slot(slot)
                        .values()
                        .iter()
                        .map(|value| Key::equal(hash::of(value))),
                );
            }
            Alternative::Match(Op::Cidr, slot) => {
                keys.extend(filter.slot(slot).nets().iter().map(Key::network));
            }
            Alternative::Match(op, slot) => {
                let values = filter.slot(slot).values().iter();
                keys.extend(values.map(|value| known(op, value).map_or(Key::Present, Key::text)));
            }
        }
    }
    if keys.contains(&Key::Present) {
        keys = SmallVec::from_slice(&[Key::Present]);
    }
    keys
}

/// What of a string is known if an operator holds for it; `None` if that is nothing.
pub(super) fn known(op: Op, constant: &Value) -> Option<Part<'_>> {
    const SPECIAL: [char; 2] = ['*', '\\'];
    let text = constant.as_str()?;
    let (part, text) = match op {
        Op::Prefix => (Part::Begin(text), text),
        Op::PrefixFold => (Part::BeginFolded(text), text),
        Op::Suffix => (Part::End(text), text),
        Op::SuffixFold => (Part::EndFolded(text), text),
        Op::EqualFold => return Some(Part::Folded(text)),
        // What stands before the first and after the last special character is literal. An escaped one ends it early.
        Op::Wildcard => {
            let begin = text.split(SPECIAL).next()?;
            let end = text.rsplit(SPECIAL).next()?;
            if begin.len() >= end.len() {
                (Part::Begin(begin), begin)
            } else {
                (Part::End(end), end)
            }
        }
        Op::Equal | Op::Cidr => return None,
    };
    (!text.is_empty()).then_some(part)
}

/// Visits the joint hash of every choice of one value from each list.
fn each_choice(
    lists: &[&[Value]],
    hash: u64,
    visit: &mut impl FnMut(u64) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some((first, rest)) = lists.split_first() else {
        return visit(hash);
    };
    first
        .iter()
        .try_for_each(|value| each_choice(rest, hash::join(hash, hash::of(value)), visit))
}

/// Whether the filter has more than one conjunction.
fn has_alternatives(expr: &Expr) -> bool {
    match expr {
        Expr::Any(_) => true,
        Expr::All(parts) => parts.iter().any(|part| matches!(part, Expr::Any(_))),
        Expr::Not { .. } | Expr::Test(_) => false,
    }
}

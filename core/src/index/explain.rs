//! How a filter is filed, for people.

use std::fmt;

use super::key::Part;
use super::plan::{self, Choice};
use crate::fields::Path;
use crate::predicate::{Alternative, Filter, Op, Test};

/// How events find a filter: one [`Access`] for each of the conjunctions that it is the disjunction of.
///
/// It says what an event costs the filter. A filter with an equality is looked at only by events that show its values; a
/// scanned one is looked at by every event of the topic.
///
/// ```
/// use distributary::Filter;
///
/// let filter = Filter::parse(r#"{ "room": [7, 8], "kind": ["edit"] }"#)?;
/// assert_eq!(filter.explain().to_string(), "equality of kind and room");
/// let filter = Filter::parse(r#"{ "kind": [{ "anything-but": "edit" }] }"#)?;
/// assert_eq!(filter.explain().to_string(), "scanned");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    accesses: Vec<Access>,
}

impl Explanation {
    /// One for each alternative; alternatives that are found alike are told once.
    #[must_use]
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// Whether no alternative is scanned.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        !self.accesses.contains(&Access::Scanned)
    }
}

/// The alternatives with `; or ` between them.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.accesses, "; or ")
    }
}

/// How events find one alternative of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// It asks for nothing; every event is for it.
    Everything,
    /// By the values of all these paths at once.
    Equality {
        /// The paths, ascending.
        paths: Vec<Path>,
        /// A further test, which tells apart those that agree in these values where they are many.
        then: Option<(Path, Vec<Probe>)>,
    },
    /// By one test of one path.
    Test {
        /// The path.
        path: Path,
        /// What is looked up: as many kinds as the test has.
        probes: Vec<Probe>,
    },
    /// By no look-up: it is evaluated for every event.
    Scanned,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::Everything => f.write_str("every event"),
            Access::Equality { paths, then } => {
                f.write_str("equality of ")?;
                join(f, paths.iter().map(Path::as_str), " and ")?;
                if let Some((path, probes)) = then {
                    f.write_str(", then ")?;
                    join(f, probes, " or ")?;
                    write!(f, " of {}", path.as_str())?;
                }
                Ok(())
            }
            Access::Test { path, probes } => {
                join(f, probes, " or ")?;
                write!(f, " of {}", path.as_str())
            }
            Access::Scanned => f.write_str("scanned"),
        }
    }
}

/// A kind of look-up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Probe {
    /// Of an equal value, in a list that holds other tests too.
    Value,
    /// Of a string without regard to case.
    Folded,
    /// Of the beginning of a string.
    Prefix,
    /// Of the end of a string.
    Suffix,
    /// Of the network of an address.
    Network,
    /// Of the intervals that hold a number.
    Range,
    /// Of the path itself.
    Presence,
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Probe::Value => "value",
            Probe::Folded => "folded value",
            Probe::Prefix => "prefix",
            Probe::Suffix => "suffix",
            Probe::Network => "network",
            Probe::Range => "range",
            Probe::Presence => "presence",
        })
    }
}

impl Filter {
    /// How events find this filter.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let mut accesses = Vec::new();
        self.expr().any_conjunction(&mut |conjunction| {
            let access = access(&Choice::of(conjunction, self), self);
            if !accesses.contains(&access) {
                accesses.push(access);
            }
            false
        });
        Explanation { accesses }
    }

    /// Whether events find this filter by look-ups alone, so that it costs nothing to those that have nothing to do with it.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        !plan::is_scanned(self)
    }
}

fn access(choice: &Choice<'_>, filter: &Filter) -> Access {
    if filter.is_all() {
        return Access::Everything;
    }
    if choice.is_scanned(filter) {
        return Access::Scanned;
    }
    let test = choice
        .test
        .map(|test| (test.path.clone(), probes(test, filter)));
    match test {
        Some((path, probes)) if choice.equalities.is_empty() => Access::Test { path, probes },
        then => {
            let mut paths: Vec<_> = choice
                .equalities
                .iter()
                .map(|equality| equality.test.path.clone())
                .collect();
            paths.sort();
            Access::Equality { paths, then }
        }
    }
}

fn probes(test: &Test, filter: &Filter) -> Vec<Probe> {
    let mut probes = Vec::new();
    for alternative in &test.alternatives {
        let add: &mut dyn FnMut(Probe) = &mut |probe| {
            if !probes.contains(&probe) {
                probes.push(probe);
            }
        };
        match *alternative {
            Alternative::Match(Op::Equal, _) => add(Probe::Value),
            Alternative::Match(Op::Cidr, _) => add(Probe::Network),
            Alternative::Match(op, slot) => {
                for value in filter.slot(slot).values() {
                    add(match plan::known(op, value) {
                        Some(Part::Begin(_) | Part::BeginFolded(_)) => Probe::Prefix,
                        Some(Part::End(_) | Part::EndFolded(_)) => Probe::Suffix,
                        Some(Part::Folded(_)) => Probe::Folded,
                        None => Probe::Presence,
                    });
                }
            }
            Alternative::Range { .. } => add(Probe::Range),
            Alternative::Exists | Alternative::Missing | Alternative::Mismatch(..) => {
                add(Probe::Presence)
            }
        }
    }
    if probes.contains(&Probe::Presence) {
        probes = vec![Probe::Presence];
    }
    probes
}

fn join(
    f: &mut fmt::Formatter<'_>,
    parts: impl IntoIterator<Item = impl fmt::Display>,
    between: &str,
) -> fmt::Result {
    for (n, part) in parts.into_iter().enumerate() {
        if n > 0 {
            f.write_str(between)?;
        }
        part.fmt(f)?;
    }
    Ok(())
}

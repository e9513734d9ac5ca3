//! From a draft to a shape, and from values to the slots of a filter.
//!
//! [`Compiled`] is a shape with one [`Recipe`] per slot. Filling the recipes is all that binding a template does: no text is read
//! but that of a network, and nothing is looked up but the variables.

use std::net::IpAddr;
use std::sync::Arc;

use super::draft::{Choice, Draft, End, Operand, Placeholder};
use super::error::BindError;
use super::net::Net;
use super::shape::{Alternative, Bound, Expr, Op, Shape, Slot, SlotId, Slots, Test};
use super::variables::{Variable, Variables};
use super::{Filter, fold, wildcard};
use crate::fields::{Path, Value};

/// A shape and how its slots are filled.
#[derive(Debug)]
pub(super) struct Compiled {
    shape: Arc<Shape>,
    recipes: Box<[Recipe]>,
    /// Slots of which the first must be below the second.
    ranges: Box<[(SlotId, SlotId)]>,
}

#[derive(Debug)]
struct Recipe {
    role: Role,
    constants: Vec<Prepared>,
    variables: Vec<Placeholder>,
}

/// What a slot is for, and so what may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Match(Op),
    Mismatch(Op),
    Bound,
}

/// A constant in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Prepared {
    Value(Value),
    Net(Net),
}

impl Compiled {
    /// Compiles a normalized draft.
    pub(super) fn new(draft: &Draft) -> Compiled {
        let mut compiler = Compiler {
            recipes: Vec::new(),
            ranges: Vec::new(),
        };
        let shape = Shape::intern(compiler.expr(draft));
        Compiled {
            shape,
            recipes: compiler.recipes.into(),
            ranges: compiler.ranges.into(),
        }
    }

    /// The filter with these values. Costs one allocation as long as no slot has more than one constant.
    pub(super) fn fill(&self, variables: &Variables) -> Result<Filter, BindError> {
        let mut slots = Slots::with_capacity(self.recipes.len());
        for recipe in &self.recipes {
            slots.push(recipe.fill(variables)?);
        }
        for (low, high) in &self.ranges {
            let value = |slot: &SlotId| slots[slot.index()].values().first();
            if value(low) >= value(high) {
                let recipe = [low, high]
                    .into_iter()
                    .flat_map(|slot| &self.recipes[slot.index()].variables)
                    .next();
                let (name, at) =
                    recipe.map_or(("", ""), |variable| (&*variable.name, &*variable.at));
                let show = |slot| value(slot).map(ToString::to_string).unwrap_or_default();
                let found = format!("{} as lower bound, {} as upper", show(low), show(high));
                return Err(BindError::new(
                    name,
                    at,
                    &found,
                    "the lower below the upper",
                ));
            }
        }
        Ok(Filter::from_parts(self.shape.clone(), slots))
    }
}

struct Compiler {
    recipes: Vec<Recipe>,
    ranges: Vec<(SlotId, SlotId)>,
}

impl Compiler {
    fn expr(&mut self, draft: &Draft) -> Expr {
        match draft {
            Draft::All(parts) => Expr::All(parts.iter().map(|part| self.expr(part)).collect()),
            Draft::Any(parts) => Expr::Any(parts.iter().map(|part| self.expr(part)).collect()),
            Draft::Not { within, of } => Expr::Not {
                within: within.clone(),
                of: Box::new(self.expr(of)),
            },
            Draft::Field { path, alternatives } => Expr::Test(self.test(path, alternatives)),
        }
    }

    fn test(&mut self, path: &Path, alternatives: &[Choice]) -> Test {
        let alternatives = alternatives.iter().map(|choice| match choice {
            Choice::Match(op, operands) => {
                Alternative::Match(*op, self.slot(Role::Match(*op), operands))
            }
            Choice::Mismatch(op, operands) => {
                Alternative::Mismatch(*op, self.slot(Role::Mismatch(*op), operands))
            }
            Choice::Range { low, high } => {
                let (low, high) = (
                    low.as_ref().map(|end| self.bound(end)),
                    high.as_ref().map(|end| self.bound(end)),
                );
                if let (Some(low), Some(high)) = (low, high) {
                    self.ranges.push((low.slot, high.slot));
                }
                Alternative::Range { low, high }
            }
            Choice::Exists => Alternative::Exists,
            Choice::Missing => Alternative::Missing,
        });
        Test {
            path: path.clone(),
            alternatives: alternatives.collect(),
        }
    }

    fn bound(&mut self, end: &End) -> Bound {
        Bound {
            slot: self.slot(Role::Bound, std::slice::from_ref(&end.operand)),
            inclusive: end.inclusive,
        }
    }

    fn slot(&mut self, role: Role, operands: &[Operand]) -> SlotId {
        let mut recipe = Recipe {
            role,
            constants: Vec::new(),
            variables: Vec::new(),
        };
        for operand in operands {
            match operand {
                // Constants were checked when the draft was made.
                Operand::Const(value) => recipe.constants.extend(prepare(role, value)),
                Operand::Variable(placeholder) => recipe.variables.push(placeholder.clone()),
            }
        }
        recipe.constants.sort();
        recipe.constants.dedup();
        // There are at most 10,000 leaves.
        let id = SlotId(self.recipes.len() as u16);
        self.recipes.push(recipe);
        id
    }
}

impl Recipe {
    fn fill(&self, variables: &Variables) -> Result<Slot, BindError> {
        if let ([], [only]) = (&*self.constants, &*self.variables)
            && let Some(Variable::Scalar(value)) = variables.find(&only.name)
        {
            return self.prepare(only, value).map(one);
        }
        let mut found = self.constants.clone();
        for variable in &self.variables {
            let error =
                |found, expected| BindError::new(&variable.name, &variable.at, found, expected);
            match variables.find(&variable.name) {
                Some(Variable::Scalar(value)) => found.push(self.prepare(variable, value)?),
                Some(Variable::List(_)) if self.role == Role::Bound => {
                    return Err(error("a list", "a number"));
                }
                Some(Variable::List(values)) => {
                    for value in values {
                        found.push(self.prepare(variable, value)?);
                    }
                }
                Some(Variable::Unusable(what)) => {
                    return Err(error(what, "a scalar or a list of scalars"));
                }
                None => return Err(error("no value", "a value")),
            }
        }
        if let (Some(last), true) = (self.variables.last(), found.is_empty()) {
            return Err(BindError::new(
                &last.name,
                &last.at,
                "an empty list",
                "at least one value",
            ));
        }
        if let (Some(last), Role::Mismatch(Op::Equal)) = (self.variables.last(), self.role) {
            let values = found.iter().filter_map(|prepared| match prepared {
                Prepared::Value(value) => Some(value),
                Prepared::Net(_) => None,
            });
            if found.len() > 1 && !homogeneous(values) {
                return Err(BindError::new(
                    &last.name,
                    &last.at,
                    "a mixture",
                    "strings only or numbers only",
                ));
            }
        }
        found.sort();
        found.dedup();
        Ok(many(found))
    }

    fn prepare(&self, variable: &Placeholder, value: &Value) -> Result<Prepared, BindError> {
        prepare(self.role, value).map_err(|expected| {
            BindError::new(&variable.name, &variable.at, &value.to_string(), expected)
        })
    }
}

fn one(prepared: Prepared) -> Slot {
    match prepared {
        Prepared::Value(value) => Slot::One(value),
        Prepared::Net(net) => Slot::OneNet(Box::new(net)),
    }
}

/// All of one slot are values, or all are networks.
fn many(mut prepared: Vec<Prepared>) -> Slot {
    if prepared.len() == 1
        && let Some(only) = prepared.pop()
    {
        return one(only);
    }
    let mut nets = Vec::new();
    let mut values = Vec::new();
    for item in prepared {
        match item {
            Prepared::Value(value) => values.push(value),
            Prepared::Net(net) => nets.push(net),
        }
    }
    if nets.is_empty() {
        Slot::Many(values.into())
    } else {
        Slot::ManyNets(nets.into())
    }
}

/// Whether `value` may stand in a slot of this role; if not, what may.
pub(super) fn check_operand(role: Role, value: &Value) -> Result<(), &'static str> {
    prepare(role, value).map(drop)
}

/// Whether these are all strings or all numbers.
pub(super) fn homogeneous<'v>(values: impl IntoIterator<Item = &'v Value>) -> bool {
    let (mut strings, mut numbers, mut others) = (false, false, false);
    for value in values {
        match value {
            Value::String(_) => strings = true,
            Value::Number(_) => numbers = true,
            Value::Null | Value::Bool(_) => others = true,
        }
    }
    !(others || strings && numbers)
}

fn prepare(role: Role, value: &Value) -> Result<Prepared, &'static str> {
    if let Some(number) = value.as_number() {
        if number.is_digits() {
            return Err("an integer between -2^63 and 2^64 - 1");
        }
        if number.to_f64().is_infinite() {
            return Err("a number in the range of 64-bit floats");
        }
    }
    let op = match role {
        Role::Bound => {
            return match value {
                Value::Number(_) => Ok(Prepared::Value(value.clone())),
                _ => Err("a number"),
            };
        }
        Role::Match(op) | Role::Mismatch(op) => op,
    };
    let text = || match (value.as_str(), role) {
        // Every string begins and ends with nothing, so none would be left.
        (Some(""), Role::Mismatch(Op::Prefix | Op::Suffix)) => {
            Err("a string of at least one character")
        }
        (text, _) => text.ok_or("a string"),
    };
    Ok(Prepared::Value(match op {
        Op::Equal => value.clone(),
        Op::Prefix | Op::Suffix => text()?.into(),
        Op::EqualFold | Op::PrefixFold | Op::SuffixFold => fold::fold(text()?).into(),
        Op::Wildcard => {
            wildcard::check(text()?)?;
            value.clone()
        }
        Op::Cidr => {
            let text = text()?;
            let expected = match text.parse::<IpAddr>() {
                Ok(_) => "a network such as 10.0.0.0/8, not an address",
                Err(_) => "a network such as 10.0.0.0/8",
            };
            return Net::parse(text).map(Prepared::Net).ok_or(expected);
        }
    }))
}

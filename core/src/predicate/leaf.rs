//! What stands at a field: a list of alternatives, each a scalar, a variable or an operator.

use super::compile::{Role, check_operand, homogeneous};
use super::draft::{Choice, End, Operand, Placeholder};
use super::error::FilterError;
use super::parse::{At, Entry, Parser};
use super::shape::Op;
use crate::fields::{Number, Value};

/// The key of a variable.
pub(super) const VARIABLE: &str = "$var";

const OPERATORS: &str = "one of prefix, suffix, equals-ignore-case, wildcard, numeric, cidr, anything-but, exists, or {\"$var\": name}";

/// Reads the value of a field that is no nested object: a list, or a scalar in place of a list of one.
pub(super) fn alternatives(
    parser: &mut Parser,
    text: &str,
    at: &At,
) -> Result<Vec<Choice>, FilterError> {
    if !text.starts_with('[') {
        return Ok(vec![alternative(parser, text, at)?]);
    }
    let items = at.list(text, "a list of alternatives")?;
    if items.is_empty() {
        return Err(at.error("[]", "at least one alternative"));
    }
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| alternative(parser, item, &at.index(index)))
        .collect()
}

fn alternative(parser: &mut Parser, text: &str, at: &At) -> Result<Choice, FilterError> {
    match text.as_bytes().first() {
        Some(b'{') => {
            let entries = at.object(text, OPERATORS)?;
            if entries.iter().any(|(key, _)| key == VARIABLE) {
                return Ok(Choice::Match(
                    Op::Equal,
                    vec![placeholder(parser, entries, at)?],
                ));
            }
            let (operator, operand) = single(&entries, at, OPERATORS)?;
            self::operator(parser, operator, operand, &at.key(operator))
        }
        Some(b'[') => Err(at.error(text, "a scalar or an operator, not a list in a list")),
        _ => Ok(Choice::Match(
            Op::Equal,
            vec![operand(parser, text, Role::Match(Op::Equal), at)?],
        )),
    }
}

fn operator(
    parser: &mut Parser,
    operator: &str,
    text: &str,
    at: &At,
) -> Result<Choice, FilterError> {
    let one = |parser: &mut Parser, op, text, at: &At| {
        Ok(Choice::Match(
            op,
            vec![operand(parser, text, Role::Match(op), at)?],
        ))
    };
    match operator {
        "prefix" | "suffix" => {
            let (plain, folded) = if operator == "prefix" {
                (Op::Prefix, Op::PrefixFold)
            } else {
                (Op::Suffix, Op::SuffixFold)
            };
            let inner = if text.starts_with('{') {
                at.object(text, "a string")?
            } else {
                Vec::new()
            };
            match inner.as_slice() {
                [(key, inner)] if key == "equals-ignore-case" => {
                    one(parser, folded, inner, &at.key(key))
                }
                [] | [..] if inner.is_empty() || is_variable(&inner) => {
                    one(parser, plain, text, at)
                }
                _ => Err(at.error(text, "a string or {\"equals-ignore-case\": string}")),
            }
        }
        "equals-ignore-case" => one(parser, Op::EqualFold, text, at),
        "wildcard" => one(parser, Op::Wildcard, text, at),
        "cidr" => one(parser, Op::Cidr, text, at),
        "numeric" => numeric(parser, text, at),
        "anything-but" => anything_but(parser, text, at),
        "exists" => {
            parser.count_leaf(at)?;
            match text {
                "true" => Ok(Choice::Exists),
                "false" => Ok(Choice::Missing),
                _ => Err(at.error(text, "true or false")),
            }
        }
        _ => Err(at.error(&format!("the operator {operator:?}"), OPERATORS)),
    }
}

fn numeric(parser: &mut Parser, text: &str, at: &At) -> Result<Choice, FilterError> {
    const EXPECTED: &str = "[op, number] or [op, number, op, number]";
    let items = at.list(text, EXPECTED)?;
    let mut end = |index: usize| -> Result<(&str, Operand), FilterError> {
        let sign = match items[index] {
            "\"=\"" => "=",
            "\"<\"" => "<",
            "\"<=\"" => "<=",
            "\">\"" => ">",
            "\">=\"" => ">=",
            other => return Err(at.index(index).error(other, "one of = < <= > >=")),
        };
        Ok((
            sign,
            operand(parser, items[index + 1], Role::Bound, &at.index(index + 1))?,
        ))
    };
    let bound = |(sign, operand): (&str, Operand)| End {
        inclusive: sign.len() == 2,
        operand,
    };
    match items.len() {
        2 => Ok(match end(0)? {
            ("=", operand) => Choice::Match(Op::Equal, vec![operand]),
            low if low.0.starts_with('>') => Choice::Range {
                low: Some(bound(low)),
                high: None,
            },
            high => Choice::Range {
                low: None,
                high: Some(bound(high)),
            },
        }),
        4 => {
            let (low, high) = (end(0)?, end(2)?);
            if !low.0.starts_with('>') {
                return Err(at
                    .index(0)
                    .error(items[0], "> or >=, for the lower bound comes first"));
            }
            if !high.0.starts_with('<') {
                return Err(at
                    .index(2)
                    .error(items[2], "< or <=, for the upper bound comes second"));
            }
            if let (Operand::Const(a), Operand::Const(b)) = (&low.1, &high.1)
                && a >= b
            {
                return Err(at.error(text, "a lower bound below the upper bound"));
            }
            Ok(Choice::Range {
                low: Some(bound(low)),
                high: Some(bound(high)),
            })
        }
        _ => Err(at.error(text, EXPECTED)),
    }
}

fn anything_but(parser: &mut Parser, text: &str, at: &At) -> Result<Choice, FilterError> {
    const OPERAND: &str = "a scalar, a list of strings or of numbers, or one of prefix, suffix, equals-ignore-case, wildcard";
    if !text.starts_with('{') {
        return mismatch(parser, Op::Equal, text, at);
    }
    let entries = at.object(text, OPERAND)?;
    if is_variable(&entries) {
        return mismatch(parser, Op::Equal, text, at);
    }
    let (key, inner) = single(&entries, at, OPERAND)?;
    let op = match key {
        "prefix" => Op::Prefix,
        "suffix" => Op::Suffix,
        "equals-ignore-case" => Op::EqualFold,
        "wildcard" => Op::Wildcard,
        _ => return Err(at.key(key).error(&format!("the operator {key:?}"), OPERAND)),
    };
    mismatch(parser, op, inner, &at.key(key))
}

fn mismatch(parser: &mut Parser, op: Op, text: &str, at: &At) -> Result<Choice, FilterError> {
    let role = Role::Mismatch(op);
    if !text.starts_with('[') {
        return Ok(Choice::Mismatch(op, vec![operand(parser, text, role, at)?]));
    }
    let items = at.list(text, "a list")?;
    if items.is_empty() {
        return Err(at.error("[]", "at least one value"));
    }
    let operands = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| operand(parser, item, role, &at.index(index)));
    let operands = operands.collect::<Result<Vec<_>, _>>()?;
    let constants = operands.iter().filter_map(|operand| match operand {
        Operand::Const(value) => Some(value),
        Operand::Variable(_) => None,
    });
    if !homogeneous(constants) {
        return Err(at.error(text, "strings only or numbers only"));
    }
    Ok(Choice::Mismatch(op, operands))
}

/// A scalar or a variable in the place of one.
fn operand(parser: &mut Parser, text: &str, role: Role, at: &At) -> Result<Operand, FilterError> {
    if text.starts_with('{') {
        let entries = at.object(text, "a scalar")?;
        if is_variable(&entries) {
            return placeholder(parser, entries, at);
        }
    }
    parser.count_leaf(at)?;
    let value = scalar(text, at)?;
    check_operand(role, &value).map_err(|expected| at.error(text, expected))?;
    Ok(Operand::Const(value))
}

fn scalar(text: &str, at: &At) -> Result<Value, FilterError> {
    Ok(match text.as_bytes() {
        b"null" => Value::Null,
        b"true" => true.into(),
        b"false" => false.into(),
        [b'{' | b'[', ..] => return Err(at.error(text, "a scalar")),
        [b'"', ..] => {
            let text: String = serde_json::from_str(text)
                .map_err(|error| at.error(&format!("{text} ({error})"), "a string of Unicode"))?;
            text.into()
        }
        _ => {
            let number = Number::from_json(text).ok_or_else(|| at.error(text, "a scalar"))?;
            let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
            if number == Number::from(0) && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
                return Err(at.error(text, "a number that is not too small for a 64-bit float"));
            }
            number.into()
        }
    })
}

fn is_variable(entries: &[Entry<'_>]) -> bool {
    entries.iter().any(|(key, _)| key == VARIABLE)
}

fn placeholder(
    parser: &mut Parser,
    entries: Vec<Entry<'_>>,
    at: &At,
) -> Result<Operand, FilterError> {
    parser.count_leaf(at)?;
    let mut name = None;
    let mut is_optional = false;
    for (key, text) in &entries {
        let here = at.key(key);
        match (key.as_str(), *text) {
            (VARIABLE, text) => match scalar(text, &here)? {
                Value::String(text) if !text.is_empty() => name = Some(text),
                _ => return Err(here.error(text, "the name of a variable")),
            },
            ("optional", "true") => is_optional = true,
            ("optional", "false") => {}
            ("optional", text) => return Err(here.error(text, "true or false")),
            (key, _) => {
                return Err(here.error(
                    &format!("the key {key:?}"),
                    "\"optional\" or nothing beside \"$var\"",
                ));
            }
        }
    }
    let name = name.ok_or_else(|| at.error("{}", "a variable"))?;
    Ok(Operand::Variable(Placeholder {
        name,
        is_optional,
        at: at.text().into(),
    }))
}

fn single<'e, 't>(
    entries: &'e [Entry<'t>],
    at: &At,
    expected: &str,
) -> Result<(&'e str, &'t str), FilterError> {
    match entries {
        [(key, text)] => Ok((key, text)),
        [] => Err(at.error("{}", expected)),
        [_, (second, _), ..] => Err(at
            .key(second)
            .error("a second operator", "one operator in an object")),
    }
}

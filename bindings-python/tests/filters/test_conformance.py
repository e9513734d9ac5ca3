"""Every public case of the filter language and of patterns, in each way that Python has to say it."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distributary import (
    Expression,
    F,
    Field,
    Filter,
    FilterError,
    Hub,
    Pattern,
    PatternError,
    Template,
    Var,
    VariableError,
)

DATA = Path(__file__).parents[3] / "core/testdata"
FILES = sorted((DATA / "predicates").glob("*.jsonl"))


class Lossy(Exception):
    """A text that means something else once it is a value."""


def faithful(text: str) -> Any:
    """The value that a text means, if Python keeps all of it."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(items)) < len(items):
            raise Lossy
        return dict(items)

    def number(digits: str) -> float:
        value = float(digits)
        if value in (float("inf"), float("-inf")) or (value == 0 and set("123456789") & set(digits.split("e")[0])):
            raise Lossy
        return value

    def constant(name: str) -> float:
        raise Lossy

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_constant=constant)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        raise Lossy from None
    return value


class Inexpressible(Exception):
    """A pattern that expressions have no words for."""


def expression(pattern: dict[str, Any], field: Field | None = None) -> Expression:
    """The same condition, written with F."""
    if not pattern:
        raise Inexpressible
    return functools.reduce(operator.and_, (_part(key, value, field) for key, value in pattern.items()))


def _part(key: str, value: Any, field: Field | None) -> Expression:
    if key in ("$or", "$and"):
        join = operator.or_ if key == "$or" else operator.and_
        return functools.reduce(join, (expression(part, field) for part in value))
    if key == "$not":
        # Beside a field it is about one element of an array.
        if field is not None:
            raise Inexpressible
        return ~expression(value)
    inner = (F if field is None else field)[key]
    if isinstance(value, dict) and "$var" not in value:
        return expression(value, inner)
    alternatives = [_operand(one) for one in (value if isinstance(value, list) else [value])]
    if not any(isinstance(one, dict) for one in alternatives):
        return inner.one_of(alternatives) if len(alternatives) > 1 else inner == alternatives[0]
    if any(isinstance(one, Var) and one.optional for one in alternatives):
        raise Inexpressible
    return functools.reduce(operator.or_, (_alternative(one, inner) for one in alternatives))


def _operand(value: Any) -> Any:
    if isinstance(value, dict) and "$var" in value:
        return Var(value["$var"], optional=value.get("optional", False))
    return value


def _alternative(one: Any, field: Field) -> Expression:
    if not isinstance(one, dict):
        return field == one
    ((name, given),) = one.items()
    given = _operand(given)
    fold = isinstance(given, dict) and "equals-ignore-case" in given
    if name in ("prefix", "suffix"):
        text = _operand(given["equals-ignore-case"]) if fold else given
        return getattr(field, name)(text, ignore_case=fold)
    if name == "exists":
        return field.exists() if given else field.missing()
    if name == "anything-but":
        if isinstance(given, dict):
            raise Inexpressible
        return field.none_of(map(_operand, given)) if isinstance(given, list) else field != given
    if name == "numeric":
        numbers = [_operand(number) for number in given[1::2]]
        if len(numbers) == 1:
            compare = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
            return compare[given[0]](field, numbers[0])
        ends = {(">=", "<"): "left", (">", "<="): "right", (">=", "<="): "both", (">", "<"): "neither"}
        return field.between(*numbers, inclusive=ends[given[0], given[2]])
    return getattr(field, name.replace("-", "_"))(given)


def forms(pattern: str, *, expressions: bool = True) -> Iterator[tuple[str, Any]]:
    """A pattern in all forms that mean the same."""
    yield "text", pattern
    try:
        value = faithful(pattern)
    except Lossy:
        return
    if isinstance(value, dict):
        yield "dict", value
        if not expressions:
            return
        try:
            yield "expression", expression(value)
        except Inexpressible:
            pass


def verdicts(hub: Hub, filter: Filter, event: str) -> Iterator[tuple[str, bool]]:
    yield "text", filter.matches(event)
    yield "bytes", filter.matches(event.encode())
    yield "bytearray", filter.matches(bytearray(event.encode()))
    with hub.subscribe("t", where=filter):
        yield "hub", hub.publish("t", event).subscriptions == 1
    try:
        value = faithful(event)
    except Lossy:
        return
    if not isinstance(value, str):
        yield "value", filter.matches(value)


def judge(hub: Hub, case: dict[str, Any]) -> dict[str, int]:
    """Runs a case in all its forms. How many of each there were."""
    pattern, count = case["pattern"], dict.fromkeys(("text", "dict", "expression"), 0)
    if "error" in case:
        place = f"at {case['error']}: " if case["error"] else "in the pattern: "
        if pattern == '{"a":[{"$var":"x"}]}':
            # A template is right; it lacks its values.
            with pytest.raises(VariableError, match='no value for "x"'):
                Filter(pattern)
            return count
        for form, where in forms(pattern, expressions=False):
            with pytest.raises(FilterError) as caught:
                Filter(where)
            assert str(caught.value).startswith(place), form
            count[form] += 1
        return count
    if "other" in case:
        # An expression may spread over two conditions what a pattern has in one list.
        others = dict(forms(case["other"]))
        for form, where in forms(pattern):
            for other in ("text", "dict") if form != "expression" else ("expression",):
                if other in others:
                    one, two = Filter(where), Filter(others[other])
                    assert (one == two) is case["same"], form
                    assert not case["same"] or hash(one) == hash(two)
            count[form] += 1
        return count
    values = None if "variables" not in case else json.loads(case["variables"])
    for form, where in forms(pattern):
        count[form] += 1
        if "bind_error" in case:
            for bind in (lambda where=where: Filter(where, values), lambda where=where: Template(where).bind(values)):
                with pytest.raises(VariableError) as caught:
                    bind()
                assert case["bind_error"] in str(caught.value)
            continue
        filters = [Filter(where, values)]
        if values is not None:
            filters += [Template(where).bind(values), Template(where).bind(**values), Filter(Template(where), values)]
            assert len(set(filters)) == 1
        for way, verdict in verdicts(hub, filters[0], case["event"]):
            assert verdict is case["match"], f"{form}, {way}"
    return count


def judged(hub: Hub, line: str) -> dict[str, int]:
    try:
        return judge(hub, json.loads(line))
    except Exception as error:
        pytest.fail(f"{line}\n{error!r}")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_cases(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if line]
    assert len(lines) >= 15
    total = dict.fromkeys(("text", "dict", "expression"), 0)
    with Hub() as hub:
        for line in lines:
            for form, count in judged(hub, line).items():
                total[form] += count
    assert total["text"] >= len(lines) - 1
    assert total["dict"] >= len(lines) * 2 // 3, total
    if file.stem != "invalid":
        assert total["expression"] >= len(lines) // 3, total


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / "patterns" / name).read_text().splitlines() if line]


def test_patterns() -> None:
    matched = 0
    with Hub() as hub:
        for case in cases("matches.jsonl"):
            if not case["topic"]:
                continue
            with hub.subscribe(Pattern(case["pattern"])):
                assert (hub.publish(case["topic"], b"").subscriptions == 1) is case["match"], case
            matched += 1
    assert matched > 50


def test_malformed_patterns() -> None:
    with Hub() as hub:
        for case in cases("errors.jsonl"):
            for names in ([Pattern(case["pattern"])], ["fine", "fine.*", Pattern(case["pattern"])]):
                with pytest.raises(PatternError) as caught:
                    hub.subscribe(names)
                if case["error"] not in ("empty", "too_long"):
                    assert f"at byte {case['offset']}, `{case['found']}`" in str(caught.value), case
                    assert json.dumps(case["pattern"], ensure_ascii=False) in str(caught.value), case

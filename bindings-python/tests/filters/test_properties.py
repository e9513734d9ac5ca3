"""Filters beside a naive reading of them, on whatever scalars and texts there are."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from distributary import F, Filter, Hub, Template, Var

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-(2**63), 2**64 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | integers | floats | texts
numbers = integers | floats


def same(one: Any, other: Any) -> bool:
    """Equality as JSON has it: a bool is no number."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


@given(scalars, scalars)
def test_equality_is_exact_in_each_form(value: Any, other: Any) -> None:
    for event in (value, other):
        expected = same(value, event)
        filters = [
            Filter({"a": [value]}),
            Filter({"a": value}),
            Filter(json.dumps({"a": value})),
            Filter(F.a == value),
            Filter(F.a.one_of([value])),
            Filter({"a": [Var("v")]}, {"v": value}),
            Template(F.a == Var("v")).bind(v=[value]),
        ]
        assert len(set(filters)) == 1
        assert filters[0].matches({"a": event}) is expected
        assert Filter(F.a != value).matches({"a": event}) is not expected
        assert Filter(~(F.a == value)).matches({"a": event}) is not expected


@given(numbers, numbers, numbers)
def test_ranges_are_exact(low: float, high: float, number: float) -> None:
    event = {"n": number}
    assert Filter(F.n < high).matches(event) is (number < high)
    assert Filter(F.n <= high).matches(event) is (number <= high)
    assert Filter(F.n > low).matches(event) is (number > low)
    assert Filter(F.n >= low).matches(event) is (number >= low)
    if low < high:
        assert Filter(F.n.between(low, high)).matches(event) is (low <= number < high)
        assert Filter(F.n.between(low, high, inclusive="neither")).matches(event) is (low < number < high)


@given(texts, texts, texts)
def test_texts_begin_and_end(begin: str, middle: str, end: str) -> None:
    whole = begin + middle + end
    assert Filter(F.t.prefix(begin) & F.t.suffix(end)).matches({"t": whole})
    assert Filter(F.t.prefix(middle)).matches({"t": whole}) is whole.startswith(middle)
    assert Filter(F.t.suffix(middle)).matches({"t": whole}) is whole.endswith(middle)
    escaped = middle.replace("\\", "\\\\").replace("*", "\\*")
    assert Filter(F.t.wildcard(escaped)).matches({"t": whole}) is (middle == whole)


@given(texts.filter(lambda name: not name.startswith("$")), scalars)
def test_any_name_is_a_field(name: str, value: Any) -> None:
    event: Any = value
    for segment in reversed(name.split(".")):
        event = {segment: event}
    assert Filter(F[name] == value).matches(event)
    assert Filter({name: [value]}).matches(event)
    assert Filter(F[name].exists()).matches(event)
    assert Filter(F[name]["x"].missing()).matches(event)


@given(st.dictionaries(texts, scalars | st.lists(scalars, min_size=2, max_size=4), max_size=5))
def test_attributes_come_as_they_went(attributes: dict[str, Any]) -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        hub.publish("t", b"", attributes=attributes)
        (event,) = sub.get_many_nowait(2)
        assert set(event.attributes) == set(attributes)
        for name, value in event.attributes.items():
            given = attributes[name]
            for one, other in zip(value, given, strict=True) if isinstance(given, list) else [(value, given)]:
                assert same(one, other)

"""Subscribing: names, filters and options as they come in."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from distributary import (
    DistributaryError,
    F,
    Filter,
    FilterError,
    Hub,
    OptionError,
    Pattern,
    PatternError,
    PositionError,
    SelectorError,
    Template,
    Topic,
    TopicError,
    Var,
    VariableError,
)


@pytest.fixture
def hub() -> Any:
    with Hub(history={"h.*": 10}) as hub:
        yield hub


@pytest.mark.parametrize(
    ("names", "topics", "patterns"),
    [
        ("a", ["a"], []),
        ("a.*", [], ["a.*"]),
        ("a?", [], ["a?"]),
        ("[ab]", [], ["[ab]"]),
        ("a\\*", [], ["a\\*"]),
        (Topic("a*"), ["a*"], []),
        (Pattern("a"), [], ["a"]),
        (["b", "a", "b"], ["a", "b"], []),
        (("a", "x.*", Topic("y.*")), ["a", "y.*"], ["x.*"]),
        ({"a"}, ["a"], []),
        ((name for name in ["a", "b*"]), ["a"], ["b*"]),
        (collections.deque(["a"]), ["a"], []),
        ("größe.*", [], ["größe.*"]),
        ("🦀", ["🦀"], []),
    ],
    ids=lambda it: repr(it).partition(" at 0x")[0],
)
def test_names(hub: Hub, names: Any, topics: list[str], patterns: list[str]) -> None:
    with hub.subscribe(names) as sub:
        assert sorted(sub.topics) == topics
        assert sorted(sub.patterns) == patterns


def test_topics_of_clients_are_wrapped(hub: Hub) -> None:
    with hub.subscribe(Topic("room.*")) as sub:
        assert hub.publish("room.7", b"").subscriptions == 0
        assert hub.publish("room.*", b"").subscriptions == 1
        assert sub.get_nowait().topic == "room.*"
    with hub.subscribe("room.\\*"):
        assert hub.publish("room.7", b"").subscriptions == 0
        assert hub.publish("room.*", b"").subscriptions == 1
    assert repr(Topic("a")) == "Topic('a')"
    assert repr(Pattern("a")) == "Pattern('a')"
    assert (Topic("a"), Pattern("a*")) == ("a", "a*")


WRONG_NAMES: list[tuple[Any, type[Exception], str]] = [
    (None, TypeError, "topics are a str or several, not NoneType"),
    (5, TypeError, "topics are a str or several, not int"),
    (b"a", TypeError, "topics are a str or several, not bytes"),
    ({"a": 1}, TypeError, "topics are a str or several, not dict"),
    (["a", 10**5000], TypeError, "a topic is a str, not int"),
    (["a", None], TypeError, "a topic is a str, not NoneType"),
    ([b"a"], TypeError, "a topic is a str, not bytes"),
    ([["a"]], TypeError, "a topic is a str, not list"),
    ([], SelectorError, "no topic is named"),
    ((), SelectorError, "no topic is named"),
    (iter([]), SelectorError, "no topic is named"),
    ("", TopicError, "empty"),
    (["a", ""], TopicError, "empty"),
    ("x" * 1025, TopicError, "1025 bytes"),
    ("\ud800", TopicError, "surrogate"),
    (Pattern(""), PatternError, "empty pattern"),
    ("*\ud800", PatternError, "surrogate"),
    ("[a", PatternError, '"[a": malformed pattern at byte 0, `[a`: the class is not closed'),
    (["x", "y*", "[z-a]"], PatternError, '"[z-a]": malformed pattern at byte 1, `z-a`'),
    ("a\\", PatternError, "nothing follows the backslash"),
    ("*" * 70_000, PatternError, "longer than"),
    ([f"t{n}" for n in range(10_001)], SelectorError, "10001 topics and patterns, at most 10000"),
]


@pytest.mark.parametrize(("names", "kind", "says"), WRONG_NAMES, ids=[says for _, _, says in WRONG_NAMES])
def test_wrong_names(hub: Hub, names: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind) as caught:
        hub.subscribe(names)
    assert says in str(caught.value)
    assert hub.stats().subscriptions == 0


def test_wrong_names_later(hub: Hub) -> None:
    with hub.subscribe("a") as sub:
        for name, kind in (("", TopicError), ("[", PatternError), (5, TypeError), ("\ud800", TopicError)):
            for change in (sub.add, sub.remove):
                with pytest.raises(kind):
                    change(name)  # type: ignore[arg-type]
        with pytest.raises(PatternError, match=r'^"\[z-a\]": malformed'):
            sub.add("fine", "[z-a]")


def test_many_names(hub: Hub) -> None:
    with hub.subscribe(f"t{n}" for n in range(10_000)) as sub:
        assert len(sub.topics) == 10_000
        assert hub.publish("t9999", b"").subscriptions == 1


OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"capacity": 0}, OptionError, "capacity: a whole number from 1"),
    ({"capacity": True}, TypeError, "capacity: an int, not bool"),
    ({"capacity": 1.0}, TypeError, "capacity: an int, not float"),
    ({"capacity": 10**5000}, OptionError, "an int of 16,610 bits"),
    ({"capacity_bytes": -1}, OptionError, "capacity_bytes: a whole number"),
    ({"capacity_bytes": "1"}, TypeError, "capacity_bytes: an int"),
    ({"max_age": 0}, OptionError, "max_age: seconds above 0"),
    ({"max_age": float("nan")}, OptionError, "not nan"),
    ({"max_age": "1"}, TypeError, "max_age: seconds"),
    ({"overflow": "dropOldest"}, OptionError, "'drop_oldest', 'drop_newest', 'disconnect' or 'keep_latest'"),
    ({"overflow": ["drop_oldest"]}, TypeError, "overflow: a str, not list"),
    ({"overflow": 1}, TypeError, "overflow: a str, not int"),
    ({"where": 5}, TypeError, "filter: a dict such as"),
    ({"where": F.a}, TypeError, "filter: a dict such as"),
    ({"where": [F.a == 1]}, TypeError, "not list"),
    ({"where": {"a": []}}, FilterError, "at a: found []"),
    ({"where": "{"}, FilterError, "in the pattern: found no JSON"),
    ({"where": {"a": [Var("x")]}}, VariableError, 'no value for "x": give `variables`, or bind a Template'),
    ({"where": Template({"a": [Var("x"), Var("y")]})}, VariableError, 'no value for "x", "y"'),
    ({"where": {"a": [Var("x")]}, "variables": {}}, VariableError, 'variable "x" at a[0]: found no value'),
    ({"where": {"a": [Var("x")]}, "variables": {"x": {}}}, VariableError, 'variable "x" at a[0]'),
    ({"where": {"a": [1]}, "variables": 5}, TypeError, "variables: a dict of names and values, not int"),
    ({"variables": {}}, VariableError, "no filter that asks for them"),
    ({"from_": 5}, TypeError, "from_: a position as events have it, or a dict of topics and positions, not int"),
    ({"from_": ["0-0"]}, TypeError, "from_: a position"),
    ({"from_": {1: "0-0"}}, TypeError, "from_: a topic is a str, not int"),
    ({"from_": {"a": None}}, TypeError, "from_: the position in 'a' is a str, not NoneType"),
    ({"from_": ""}, PositionError, "is not a position: expected two hexadecimal numbers"),
    ({"from_": "last"}, PositionError, '"last" is not a position'),
    ({"from_": "1-2-3"}, PositionError, "is not a position"),
    ({"from_": "x" * 100_000}, PositionError, "is not a position"),
    ({"from_": "\ud800"}, PositionError, "surrogate"),
    ({"from_": {"a": "\ud800"}}, PositionError, "surrogate"),
    ({"from_": "0-0"}, PositionError, "the topic keeps no history; give it some with `history` of the hub"),
    ({"from_": {"other": "0-0"}}, PositionError, "does not name the topic"),
    ({"into": 5}, TypeError, "into: a msgspec or pydantic type, a dataclass, or a function of bytes, not int"),
    ({"into": "json"}, TypeError, "into: a msgspec or pydantic type"),
    ({"into": str}, TypeError, "into: str could be of the JSON value or of the bytes"),
    ({"unknown": 1}, TypeError, "unexpected keyword argument 'unknown'"),
]


@pytest.mark.parametrize(
    ("options", "kind", "says"), OPTIONS, ids=[f"{list(given)} {says}" for given, _, says in OPTIONS]
)
def test_wrong_options(hub: Hub, options: dict[str, Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind) as caught:
        hub.subscribe("a", **options)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400
    assert isinstance(caught.value, (TypeError, ValueError))
    assert (kind is TypeError) != isinstance(caught.value, DistributaryError)
    assert hub.stats().subscriptions == 0


def test_positions_that_cannot_be_resumed_from(hub: Hub) -> None:
    first = hub.publish("h.a", "1").position
    assert first is not None
    epoch, offset = first.split("-")
    later = f"{epoch}-{int(offset, 16) + 5:x}"
    foreign = f"{int(epoch, 16) ^ 1:x}-{offset}"
    for names, position, says in [
        ("h.a", later, "has not counted that far"),
        ("h.a", foreign, "another epoch"),
        (["h.a", "h.b"], first, "give `from_` as a dict, a position for each topic"),
        ("h.*", first, "give `from_` as a dict"),
    ]:
        with pytest.raises(PositionError) as caught:
            hub.subscribe(names, from_=position)
        assert says in str(caught.value)


def test_from_a_position(hub: Hub) -> None:
    before = hub.position("h.a")
    assert before is not None
    published = [hub.publish(f"h.{name}", name * 2).position for name in "abab"]
    assert hub.position("h.a") == published[2]
    with hub.subscribe("h.a", from_=before) as sub:
        assert [event.position for event in sub.get_many_nowait(9)] == [published[0], published[2]]
    first = {"h.a": str(published[0]), "h.b": str(published[1])}
    for names in (["h.a", "h.b"], "h.*"):
        with hub.subscribe(names, from_=first) as sub:
            assert [event.text for event in sub.get_many_nowait(9)] == ["aa", "bb"]
    with hub.subscribe("h.a", from_=published[0], where=F.a == 1) as sub:
        hub.publish("h.a", {"a": 1})
        assert [event.json() for event in sub.get_many_nowait(9)] == [{"a": 1}]
    with hub.subscribe("h.a", from_=None) as sub:
        assert sub.get_many_nowait(9) == ()


def test_filters_of_every_form(hub: Hub) -> None:
    text = '{"id": [{"$var": "id"}]}'
    forms: list[tuple[Any, Any]] = [
        ({"id": [7]}, None),
        ('{"id": [7]}', None),
        (F.id == 7, None),
        (Filter({"id": [7]}), None),
        (Template({"id": [7]}), None),
        (Template(text).bind(id=7), None),
        (text, {"id": 7}),
        (Template(text), {"id": 7}),
        (F.id == Var("id"), {"id": 7, "more": object()}),
        ({"id": Var("id")}, {"id": [7]}),
    ]
    subs = [hub.subscribe("t", where=where, variables=variables) for where, variables in forms]
    assert hub.publish("t", {"id": 7}).subscriptions == len(subs)
    assert hub.publish("t", {"id": 8}).subscriptions == 0
    assert hub.stats().feeds == 1
    with hub.subscribe("t", where={}):
        assert hub.publish("t", b"no json").subscriptions == 1
    for sub in subs:
        sub.close()
    assert hub.stats().subscriptions == 0


@pytest.mark.parametrize("name", [None, b"x", 1.5, object()])
def test_what_is_no_str_is_no_topic_nor_pattern(name: Any) -> None:
    with pytest.raises(TypeError, match="a topic is a str, not"):
        Topic(name)
    with pytest.raises(TypeError, match="a pattern is a str, not"):
        Pattern(name)


def test_a_batch_may_be_of_any_size() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        hub.publish("t", b"x")
        assert len(sub.get_many_nowait(10**30)) == 1


@pytest.mark.parametrize("values", [{"a": 1}, bytearray(b"x"), memoryview(b"x")])
def test_what_only_looks_like_several_values_is_refused(values: Any) -> None:
    with pytest.raises(TypeError, match="takes several values"):
        F.a.one_of(values)

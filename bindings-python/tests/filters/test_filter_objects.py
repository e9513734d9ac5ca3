"""Filters and templates as objects: what they are made from, what they answer, what they refuse."""

from __future__ import annotations

import collections
import copy
import enum
import gc
import json
import pickle
import threading
import types
from decimal import Decimal
from typing import Any

import pytest

from distributary import F, Filter, FilterError, PayloadError, Template, Var, VariableError


class Kind(str, enum.Enum):
    EDIT = "edit"


class Level(enum.IntEnum):
    HIGH = 7


def test_a_filter_is_made_from_every_form() -> None:
    pattern = {"kind": ["edit"], "level": [{"numeric": [">=", 7]}]}
    filter = Filter(pattern)
    same = [
        json.dumps(pattern),
        {"kind": ("edit",), "level": ({"numeric": (">=", 7)},)},
        types.MappingProxyType(pattern),
        collections.OrderedDict(reversed(list(pattern.items()))),
        collections.ChainMap(pattern),
        {"kind": [Kind.EDIT], "level": [{"numeric": [">=", Level.HIGH]}]},
        (F.kind == Kind.EDIT) & (F.level >= Level.HIGH),
        {"$and": [F.kind == "edit", {"level": [{"numeric": [">=", 7]}]}]},
        filter,
        Template(pattern),
    ]
    for where in same:
        assert Filter(where) == filter, where
        assert hash(Filter(where)) == hash(filter)
    assert filter != Filter({"kind": ["edit"]})
    assert filter != "kind"
    assert {filter: 1}[Filter(pattern)] == 1


def test_integers_are_exact() -> None:
    big = 2**53 + 1
    for where in ({"id": [big]}, json.dumps({"id": [big]}), F.id == big):
        assert Filter(where).matches({"id": big})
        assert not Filter(where).matches({"id": big - 1})
    bound = Filter({"id": [Var("id")]}, {"id": 2**64 - 1})
    assert bound.matches({"id": 2**64 - 1})
    assert not bound.matches({"id": 2**64 - 2})
    assert not bound.matches(json.dumps({"id": 2.0**64}))


def test_floats_are_themselves() -> None:
    for number in (0.1, 1e300, 5e-324, -0.0, 1e16, 123456789.123456789):
        assert Filter({"n": [number]}).matches({"n": number})
        assert Filter({"n": [Var("n")]}, {"n": number}).matches({"n": number})


def test_what_it_answers() -> None:
    filter = Filter((F.region == "eu") & (F.user.age > 17))
    assert filter.fields == ("region", "user.age")
    assert filter.is_indexed
    assert not filter.is_all
    assert "equality of region" in filter.explain()
    assert repr(filter) == "<Filter on region, user.age, indexed>"
    assert Filter({}).is_all
    assert Filter({}).fields == ()
    assert repr(Filter("{}")) == "<Filter that admits every event>"
    scanned = Filter({"text": [{"wildcard": "*x*"}]})
    assert not scanned.is_indexed
    assert scanned.explain() == "scanned"
    assert repr(scanned) == "<Filter on text, scanned>"
    assert repr(Template({"id": [Var("b"), Var("a")]})) == "<Template of a, b>"
    assert repr(Template({"id": [1]})) == "<Template without variables>"


def test_payloads_in_every_form() -> None:
    filter = Filter({"id": [42]})
    text = '{"id": 42}'
    for payload in (text, text.encode(), bytearray(text.encode()), memoryview(text.encode()), {"id": 42}):
        assert filter.matches(payload)
    for payload in ("no json", b"\xff\x00", b"", "", "[]", [42], 42, None, {}, {"id": "42"}):
        assert not filter.matches(payload)
        assert Filter({}).matches(payload)
    for payload in ({"id": float("nan")}, object(), {1, 2}, "\ud800", {"id": "\ud800"}):
        with pytest.raises(PayloadError):
            filter.matches(payload)


MALFORMED: list[tuple[Any, str]] = [
    ({"a": [{"bigger": 1}]}, "at a[0].bigger: found the operator"),
    ({"a": [{"numeric": [">", "9"]}]}, 'at a[0].numeric[1]: found "9", expected a number'),
    ({"a": [{"numeric": [">", object()]}]}, "at a[0].numeric[1]: found a value of type object"),
    ({"a": [{1, 2}]}, "at a[0]: found a value of type set"),
    ({"a": {"b": [b"x"]}}, "at a.b[0]: found a value of type bytes"),
    ({"a": [Decimal("1.5")]}, "at a[0]: found a value of type Decimal"),
    ({"a": [float("nan")]}, "at a[0]: found nan, expected a finite number"),
    ({"a": [float("-inf")]}, "at a[0]: found -inf, expected a finite number"),
    ({"a": [2**64]}, "at a[0]: found 18446744073709551616, expected an integer between"),
    ({"a": ["\ud800"]}, "at a[0]: found a str with a lone surrogate"),
    ({"\ud800": ["x"]}, "in the pattern: found a str with a lone surrogate"),
    ({1: ["x"]}, "in the pattern: found a value of type int, expected a str for a key"),
    ({"a": {None: ["x"]}}, "at a: found a value of type NoneType"),
    ({"a": []}, "at a: found [], expected at least one alternative"),
    ({"$xor": []}, 'at $xor: found the key "$xor"'),
    ("", "in the pattern: found no JSON"),
    ("[]", "in the pattern: found [], expected an object"),
    ("\ud800", "lone surrogate"),
    ({"a": [{"exists": True, "prefix": "x"}]}, "expected one operator in an object"),
    ({f"f{n}": list(range(100)) for n in range(101)}, "at most 10000 leaves"),
    ({".".join("a" * 40): [1]}, "at most 32 levels"),
    ("{}" + " " * (1 << 16), "at most 65536 bytes"),
]


@pytest.mark.parametrize(("where", "says"), MALFORMED, ids=[says for _, says in MALFORMED])
def test_malformed(where: Any, says: str) -> None:
    for make in (Filter, Template):
        with pytest.raises(FilterError) as caught:
            make(where)
        assert says in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_what_holds_itself() -> None:
    pattern: dict[str, Any] = {}
    pattern["a"] = pattern
    several: list[Any] = []
    several.append(several)
    for where in (pattern, {"a": several}):
        with pytest.raises(FilterError, match="more than 128 levels deep, or holds itself"):
            Filter(where)


@pytest.mark.parametrize("where", [None, 5, b"{}", [], ["a"], {"a"}, object(), F, F.a, Var("x"), Filter, dict])
def test_what_is_no_filter(where: Any) -> None:
    for make in (Filter, Template):
        with pytest.raises(TypeError, match="filter: a dict such as"):
            make(where)


def test_a_dict_that_changes_under_the_reader() -> None:
    class Spiteful(dict[str, Any]):
        def items(self) -> Any:
            raise ZeroDivisionError

    class Hostile(collections.UserDict[str, Any]):
        def items(self) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Filter(Hostile({"a": [1]}))
    assert Filter(Spiteful({"a": [1]})) == Filter({"a": [1]})


UNUSABLE = [
    {},
    {"prefix": "x"},
    [[1]],
    [{"a": 1}],
    object(),
    b"x",
    float("nan"),
    float("inf"),
    2**64,
    "\ud800",
    10**5000,
]


@pytest.mark.parametrize("value", UNUSABLE, ids=lambda value: type(value).__name__)
def test_values_that_no_variable_can_have(value: Any) -> None:
    template = Template({"id": [Var("id")]})
    for bind in (
        lambda: template.bind(id=value),
        lambda: template.bind({"id": value}),
        lambda: Filter({"id": [Var("id")]}, {"id": value}),
        lambda: Filter(F.id == Var("id"), {"id": value}),
    ):
        with pytest.raises(VariableError, match=r'variable "id" at id(\[0\])?: found'):
            bind()


def test_values_of_variables() -> None:
    template = Template({"id": [Var("id")]})
    for value in ([1, 2], (1, 2), {1, 2}, frozenset((1, 2))):
        assert template.bind(id=value) == Filter({"id": [1, 2]})
    assert template.bind(id=None).matches({"id": None})
    assert template.bind(id=True).matches({"id": True})
    assert not template.bind(id=True).matches({"id": 1})
    # What is not asked for is not looked at.
    assert template.bind({"id": 1, "other": object(), 5: {}}) == Filter({"id": [1]})
    assert template.bind({"id": 1}, id=2) == Filter({"id": [2]})
    assert template.bind(collections.ChainMap({"id": 3})) == Filter({"id": [3]})
    with pytest.raises(VariableError, match='"id"'):
        template.bind()
    with pytest.raises(VariableError, match='no value for "id": give `variables`'):
        Filter(template)
    with pytest.raises(VariableError):
        template.bind(id=[])
    for wrong in (5, "id", [("id", 1)]):
        with pytest.raises(TypeError, match="variables: a dict of names and values, not"):
            Filter(template, wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="variables: a dict of names and values, not"):
            Filter({}, wrong)  # type: ignore[arg-type]
    assert Template({"a": [1]}).bind(x=1) == Filter({"a": [1]})


def test_optional_variables() -> None:
    template = Template({"region": [Var("region", optional=True)], "kind": ["edit"]})
    assert template.bind() == Filter({"kind": ["edit"]})
    assert template.bind(region="eu") == Filter({"kind": ["edit"], "region": ["eu"]})
    assert template.bind(region=None) == Filter({"kind": ["edit"], "region": [None]})


def test_they_are_immutable_copied_and_not_pickled() -> None:
    filter, template = Filter({"a": [1]}), Template({"a": [Var("x")]})
    for one in (filter, template):
        assert copy.copy(one) is one
        assert copy.deepcopy({"where": one})["where"] is one
        with pytest.raises(AttributeError):
            one.anything = 1  # type: ignore[union-attr]
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(one)


def test_more_texts_than_are_kept() -> None:
    """Compiled texts are kept in two generations of 512; who asks for more gets the same filters."""
    for _ in range(2):
        for n in range(3000):
            assert Filter({"id": [n]}).matches({"id": n})
    gc.collect()


def test_threads_compile_at_once() -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for n in range(500):
                id = (n * 7 + seed) % 900
                assert Filter({"id": [id]}).matches(f'{{"id": {id}}}')
                assert Template({"id": [Var("id")]}).bind(id=id) == Filter(F.id == id)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures

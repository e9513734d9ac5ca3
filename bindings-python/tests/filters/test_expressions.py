"""Filter expressions: what they mean, and that no trap of Python's operators goes unnoticed."""

from __future__ import annotations

import copy
import functools
import operator
import pickle
import re
from typing import Any

import pytest

from distributary import Expression, F, Field, Filter, FilterError, Hub, Template, Var, VariableError


def admits(expression: Expression, event: Any, **variables: Any) -> bool:
    return Filter(expression, variables or None).matches(event)


@pytest.mark.parametrize(
    ("expression", "pattern"),
    [
        (F.a == 1, {"a": [1]}),
        (F.a == "x", {"a": ["x"]}),
        (F.a == None, {"a": [None]}),  # noqa: E711
        (F.a == True, {"a": [True]}),  # noqa: E712
        (F.a == 1.5, {"a": [1.5]}),
        (F.a == 2**64 - 1, {"a": [2**64 - 1]}),
        (F.a == -(2**63), {"a": [-(2**63)]}),
        (F.a != "x", {"a": [{"anything-but": "x"}]}),
        (F.a < 1, {"a": [{"numeric": ["<", 1]}]}),
        (F.a <= 1, {"a": [{"numeric": ["<=", 1]}]}),
        (F.a > 1, {"a": [{"numeric": [">", 1]}]}),
        (F.a >= 1, {"a": [{"numeric": [">=", 1]}]}),
        (1 > F.a, {"a": [{"numeric": ["<", 1]}]}),  # noqa: SIM300
        (1 == F.a, {"a": [1]}),  # noqa: SIM300
        (F.a.between(1, 2), {"a": [{"numeric": [">=", 1, "<", 2]}]}),
        (F.a.between(1, 2, inclusive="both"), {"a": [{"numeric": [">=", 1, "<=", 2]}]}),
        (F.a.one_of([1, "x", None]), {"a": [1, "x", None]}),
        (F.a.one_of(v for v in (1, 2)), {"a": [1, 2]}),
        (F.a.none_of(("x", "y")), {"a": [{"anything-but": ["x", "y"]}]}),
        (F.a.none_of({"x"}), {"a": [{"anything-but": ["x"]}]}),
        (F.a.prefix("x"), {"a": [{"prefix": "x"}]}),
        (F.a.prefix("x", ignore_case=True), {"a": [{"prefix": {"equals-ignore-case": "x"}}]}),
        (F.a.suffix("x"), {"a": [{"suffix": "x"}]}),
        (F.a.suffix("x", ignore_case=True), {"a": [{"suffix": {"equals-ignore-case": "x"}}]}),
        (F.a.equals_ignore_case("x"), {"a": [{"equals-ignore-case": "x"}]}),
        (F.a.wildcard("x*y"), {"a": [{"wildcard": "x*y"}]}),
        (F.a.cidr("10.0.0.0/8"), {"a": [{"cidr": "10.0.0.0/8"}]}),
        (F.a.exists(), {"a": [{"exists": True}]}),
        (F.a.missing(), {"a": [{"exists": False}]}),
        (F.a.b.c == 1, {"a": {"b": {"c": [1]}}}),
        (F["a.b"].c == 1, {"a": {"b": {"c": [1]}}}),
        (F.a["b.c"] == 1, {"a": {"b": {"c": [1]}}}),
        (F["prefix"] == 1, {"prefix": [1]}),
        (F.a["prefix"] == 1, {"a.prefix": [1]}),
        (F._id == 1, {"_id": [1]}),
        (F["größe"] == 1, {"größe": [1]}),
        ((F.a == 1) & (F.b == 2), {"a": [1], "b": [2]}),
        ((F.a == 1) | (F.b == 2), {"$or": [{"a": [1]}, {"b": [2]}]}),
        (~(F.a == 1), {"$not": {"a": [1]}}),
        ((F.a == 1) & ((F.b == 2) | ~(F.c == 3)), {"a": [1], "$or": [{"b": [2]}, {"$not": {"c": [3]}}]}),
    ],
    ids=repr,
)
def test_an_expression_is_the_filter_of_its_pattern(expression: Expression, pattern: dict[str, Any]) -> None:
    assert Filter(expression) == Filter(pattern)


def test_values_of_clients_stay_values() -> None:
    for text in ('{"$var": "x"}', '{"prefix": ""}', "*", "x", '"', "\\", "$or"):
        assert admits(F.a == text, {"a": text})
        assert not admits(F.a == text, {"a": "y"})
        assert admits(F.a.one_of([text]), {"a": text})
        assert admits(F.a.prefix(text), {"a": f"{text} and more"})
        assert not admits(F.a.prefix(text), {"a": "y"})
        assert admits(F.a == Var("v"), {"a": text}, v=text)
        assert not admits(F.a == Var("v"), {"a": "y"}, v=text)
    for value in ({"prefix": ""}, {"$var": "x"}, Filter({}), object(), b"x", [["x"]]):
        with pytest.raises(TypeError):
            F.a == value  # type: ignore[operator]  # noqa: B015
        with pytest.raises(TypeError):
            F.a.one_of([value])  # type: ignore[list-item]
        with pytest.raises(VariableError):
            Template(F.a == Var("v")).bind(v=value)


def test_variables_stand_for_any_scalar() -> None:
    everything = (
        (F.a == Var("a"))
        & (F.b > Var("b"))
        & F.c.between(Var("low"), Var("high"))
        & F.d.prefix(Var("d"))
        & F.e.one_of(Var("e"))
        & F.f.one_of([1, Var("f")])
        & F.g.cidr(Var("g"))
        & (F.h != Var("h"))
        & F.i.wildcard(Var("i"))
        & (F.j == Var("j", optional=True))
    )
    template = Template(everything)
    assert template.variables == ("a", "b", "d", "e", "f", "g", "h", "high", "i", "j", "low")
    values = {
        "a": "x",
        "b": 1,
        "low": 0,
        "high": 9,
        "d": "pre",
        "e": [1, 2],
        "f": 5,
        "g": "10.0.0.0/8",
        "h": 0,
        "i": "*z",
    }
    event = {"a": "x", "b": 2, "c": 5, "d": "prefix", "e": 2, "f": 5, "g": "10.1.2.3", "h": 1, "i": "yz", "j": 3}
    assert template.bind(values).matches(event)
    assert template.bind(values, j=3).matches(event)
    assert not template.bind(values, j=4).matches(event)
    assert not template.bind(values, a="y").matches(event)
    with pytest.raises(VariableError, match='"low"'):
        template.bind({name: value for name, value in values.items() if name != "low"})
    with pytest.raises(VariableError, match=r'variable "b" at .*b\[0\].numeric\[1\]: found "1", expected a number'):
        template.bind(values, b="1")


def test_equal_bound_filters_share_a_feed() -> None:
    template = Template((F.document.id == Var("id")) & (F.kind == "edit"))
    with Hub() as hub:
        subs = [hub.subscribe("d", where=template, variables={"id": n % 3}) for n in range(30)]
        subs += [hub.subscribe("d", where=(F.kind == "edit") & (F.document.id == n % 3)) for n in range(30)]
        subs += [hub.subscribe("d", where={"kind": ["edit"], "document.id": n % 3}) for n in range(30)]
        assert hub.stats().subscriptions == 90
        assert hub.stats().feeds == 3
        assert hub.publish("d", {"kind": "edit", "document": {"id": 1}}).subscriptions == 30
        for sub in subs:
            sub.close()


def test_long_chains_are_flat() -> None:
    for join, event in ((operator.or_, {"a": 999}), (operator.and_, {"b": 1})):
        parts = [(F.a == n) if join is operator.or_ else (F.a != n) for n in range(1000)]
        expression = functools.reduce(join, parts)
        assert admits(expression, event if join is operator.or_ else {"a": -1})
        assert not admits(expression, {"a": 1000} if join is operator.or_ else {"a": 7})


TRAPS = [
    (lambda: bool(F.a == 1), "neither true nor false: join with & | ~"),
    (lambda: (F.a == 1) and (F.b == 2), "join with & | ~"),
    (lambda: (F.a == 1) or (F.b == 2), "join with & | ~"),
    (lambda: not (F.a == 1), "join with & | ~"),  # noqa: SIM201
    (lambda: 1 < F.a < 5, r"F.x.between\(1, 5, inclusive='neither'\)"),
    (lambda: F.a == 1 & F.b == 2, "parentheses around each comparison"),
    (lambda: F.a == "x" | F.b, "parentheses around each comparison"),
    (lambda: F.a & (F.b == 2), "no condition yet"),
    (lambda: (F.b == 2) & F.a, "no condition yet"),
    (lambda: (F.b == 2) & True, "unsupported operand"),
    (lambda: ~F.a, r"F\['a'\].missing\(\)"),
    (lambda: not F.a, r"F\['a'\].exists\(\)"),
    (lambda: 1 in F.a, "`in` cannot make a filter"),
    (lambda: "a" in F, "`in` cannot make a filter"),
    (lambda: list(F.a), "nothing to iterate over"),
    (lambda: list(F), "nothing to iterate over"),
    (lambda: F.a.startswith("x"), "no method: there are between, cidr"),
    (lambda: F.a[0], "a str, not int: an array has the values of its elements"),
    (lambda: F[0], "a str, not int"),
    (lambda: hash(F.a), "unhashable"),
    (lambda: F.a == [1], r"write .one_of\(\[…\]\)"),
    (lambda: F.a != (1,), r".none_of\(\[…\]\)"),
    (lambda: F.a > "1", "> compares with an int, a float or a Var, not str"),
    (lambda: F.a > True, "not bool"),
    (lambda: F.a > None, "not NoneType"),
    (lambda: F.a.between(1, "2"), "between compares with"),
    (lambda: F.a.one_of("abc"), "several values, such as a list, or a Var, not str"),
    (lambda: F.a.one_of(5), "several values"),
    (lambda: F.a.prefix(1), "prefix takes a str or a Var, not int"),
    (lambda: F.a.cidr(None), "cidr takes a str"),
    (lambda: F.a == b"x", "not bytes"),
]


@pytest.mark.parametrize(("trap", "says"), TRAPS, ids=[says for _, says in TRAPS])
def test_traps(trap: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        trap()


WRONG = [
    (lambda: F["$or"] == 1, "names that begin with \\$"),
    (lambda: F.a.one_of([]), "at least one"),
    (lambda: F.a.none_of([]), "at least one"),
    (lambda: F.a.none_of([1, "x"]), "at a\\[0\\].anything-but: .* strings only or numbers only"),
    (lambda: F.a.cidr("10.0.0/8"), "at a\\[0\\].cidr: found"),
    (lambda: F.a.wildcard("a**b"), "at a\\[0\\].wildcard: found"),
    (lambda: F.a.between(2, 1), "a lower bound below the upper bound"),
    (lambda: F.a.between(1, 2, inclusive="all"), "'left', 'right', 'both' or 'neither', not 'all'"),
    (lambda: F.a.between(1, 2, inclusive=[]), "'left', 'right', 'both' or 'neither'"),
    (lambda: F.a == float("nan"), "at a: found nan, expected a finite number"),
    (lambda: F.a > float("inf"), "found inf"),
    (lambda: F.a == 2**64, "found 18446744073709551616, expected an integer between"),
    (lambda: F.a == -(2**63) - 1, "expected an integer between"),
    (lambda: F.a == 10**5000, "an int of more digits"),
    (lambda: F.a.one_of([1, 2**64]), "expected an integer between"),
    (lambda: F.a == "\ud800", "found a str with a lone surrogate"),
    (lambda: F["a\ud800"] == 1, "surrogate"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG, ids=[says for _, says in WRONG])
def test_wrong_values(wrong: Any, says: str) -> None:
    with pytest.raises(FilterError, match=says):
        wrong()


def test_fields_and_expressions_are_shown_copied_and_pickled() -> None:
    assert repr(F) == "F"
    assert repr(F.user.id) == "F['user.id']"
    assert repr(F.a == 1) == "<Expression {'a': [1]}>"
    assert pickle.loads(pickle.dumps(F)) is F
    assert copy.deepcopy(F) is F
    field: Field = pickle.loads(pickle.dumps(F.user.id))
    assert repr(field) == repr(F.user.id)
    expression = (F.a == Var("x")) | (F.b == 2)
    for same in (copy.copy(expression), copy.deepcopy(expression), pickle.loads(pickle.dumps(expression))):
        assert Filter(same, {"x": 1}) == Filter(expression, {"x": 1})
    with pytest.raises(AttributeError, match=re.escape("F['a']['__name__']")):
        _ = F.a.__name__
    assert Filter(F["__name__"] == 1).fields == ("__name__",)


def test_variables_by_name() -> None:
    assert Var("a") == Var("a") != Var("a", optional=True)
    assert hash(Var("a")) == hash(Var("a"))
    assert (Var("a").name, Var("a").optional) == ("a", False)
    assert repr(Var("a", optional=True)) == "Var('a', optional=True)"
    assert pickle.loads(pickle.dumps(Var("ä", optional=True))) == Var("ä", optional=True)
    for wrong, kind in ((1, TypeError), ("", VariableError), ("\ud800", VariableError)):
        with pytest.raises(kind, match="name of a variable"):
            Var(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Var("a", True)  # type: ignore[misc]

"""The errors themselves: their family, their words, and that they travel."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from pathlib import Path
from typing import get_args

import pytest

import distributary
from distributary import (
    Closed,
    DecodeError,
    DistributaryError,
    ForwardError,
    Hub,
    MigrationError,
    NotHeard,
    PayloadError,
    errors,
)
from distributary.migration import Peer

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DistributaryError)]


def test_all_are_exported_and_documented() -> None:
    assert len(ALL) >= 14
    for kind in ALL:
        assert getattr(distributary, kind.__name__) is kind
        assert kind.__name__ in distributary.__all__
        assert kind.__name__ in errors.__all__
        assert inspect.getdoc(kind)
        assert "__doc__" in vars(kind)


def test_their_family() -> None:
    of_values = {kind for kind in ALL if issubclass(kind, ValueError)}
    assert {kind.__name__ for kind in of_values} == {
        "DecodeError",
        "FilterError",
        "OptionError",
        "PatternError",
        "PayloadError",
        "PositionError",
        "SelectorError",
        "TopicError",
        "VariableError",
    }
    assert not any(issubclass(kind, TypeError) for kind in ALL)


@pytest.mark.parametrize("reason", get_args(errors.Reason))
def test_closed_says_why_and_what_to_do(reason: errors.Reason) -> None:
    error = Closed(reason)
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert isinstance(same, Closed)
        assert same.reason == reason
        assert re.search("make a new one|subscribe anew", str(same))


def test_they_are_pickled() -> None:
    for kind in ALL:
        if kind in (Closed, DecodeError, ForwardError, MigrationError, NotHeard):
            continue
        error = pickle.loads(pickle.dumps(kind("what was wrong")))
        assert type(error) is kind
        assert str(error) == "what was wrong"


def test_a_forward_error_has_its_kind() -> None:
    error = ForwardError("what was wrong", "expired")
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(same), same.kind, str(same)) == (ForwardError, "expired", "what was wrong")


def test_a_migration_error_has_its_kind_and_who_is_in_the_way() -> None:
    peer = Peer("00c0ffee00c0ffee", "old", None, ("old",))
    error = MigrationError("what was wrong", "readers", peers=(peer,), side="old")
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(same), same.kind, str(same)) == (MigrationError, "readers", "what was wrong")
        assert (same.peers, same.side, same.findings, same.hubs) == ((peer,), "old", (), None)


def test_what_is_not_heard_has_its_names() -> None:
    error = NotHeard(["a", "b.*"])
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(same), same.names, str(same)) == (NotHeard, ("a", "b.*"), str(error))


def test_a_decode_error_has_its_event() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        hub.publish("t", "x")
        event = sub.get_nowait()
    error = DecodeError("wrong", event)
    assert error.event is event
    # It stays in its process.
    travelled = pickle.loads(pickle.dumps(error))
    assert type(travelled) is PayloadError
    assert str(travelled) == "wrong"


def test_the_public_names() -> None:
    assert sorted(distributary.__all__) == list(distributary.__all__)
    for name in distributary.__all__:
        assert hasattr(distributary, name)
    assert distributary.Hub.__module__.startswith("distributary")
    for name in ("Delivery", "Event", "Filter", "Template", "Var"):
        assert getattr(distributary, name).__module__ == "distributary"
        assert inspect.getdoc(getattr(distributary, name))


def test_no_message_speaks_of_another_language() -> None:
    """What the native half says is said to people who write Python."""
    source = Path(__file__).parents[2] / "src"
    texts = [
        (path.name, text)
        for path in source.rglob("*.rs")
        if "gateway" not in path.parts
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', strip_comments(path.read_text()))
    ]
    assert len(texts) > 100
    for name, text in texts:
        assert not re.search(r"::|\bRust\b|Builder|\bnapi\b|PyO3|\bunwrap\b|`new ", text), f"{name}: {text}"


def strip_comments(source: str) -> str:
    return re.sub(r"^\s*//.*$", "", source, flags=re.MULTILINE)

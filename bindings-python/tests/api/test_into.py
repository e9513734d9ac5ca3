"""`into`: what is made of payloads, by which library."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import sys
from typing import Any, TypedDict

import pytest

from distributary import Hub
from distributary.into import decoder


@dataclasses.dataclass
class Order:
    id: int


class Row(TypedDict):
    id: int


class Own:
    def __init__(self, data: bytes) -> None:
        self.data = data


class Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __call__(self, data: bytes) -> int:
        return len(data)


def test_functions_of_bytes() -> None:
    assert decoder(json.loads)(b"[1]") == [1]
    assert decoder(len)(b"abc") == 3
    assert decoder(lambda data: data.decode())(b"x") == "x"
    assert decoder(Own)(b"x").data == b"x"
    assert decoder(bytes)(b"x") == b"x"
    assert decoder(functools.partial(int, base=16))(b"ff") == 255
    assert decoder(Unhashable())(b"abc") == 3


def test_types_of_msgspec() -> None:
    msgspec = pytest.importorskip("msgspec")

    class Struct(msgspec.Struct):  # type: ignore[misc,name-defined]
        id: int

    assert decoder(Struct)(b'{"id": 1}') == Struct(1)
    assert decoder(Struct) is decoder(Struct)
    assert decoder(list[Struct])(b'[{"id": 1}]') == [Struct(1)]
    assert decoder(Order)(b'{"id": 1}') == Order(1)
    assert decoder(Row)(b'{"id": 1}') == {"id": 1}
    assert decoder(dict[str, int])(b'{"id": 1}') == {"id": 1}
    with pytest.raises(msgspec.ValidationError):
        decoder(Struct)(b'{"id": "1"}')


def test_types_of_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        id: int

    @pydantic.dataclasses.dataclass
    class Data:
        id: int

    assert decoder(Model)(b'{"id": 1}') == Model(id=1)
    assert decoder(Data)(b'{"id": 1}') == Data(id=1)
    with pytest.raises(pydantic.ValidationError):
        decoder(Model)(b"{}")


@pytest.mark.parametrize("into", [str, int, float, bool, list, tuple, dict, set, frozenset, object])
def test_types_that_could_mean_two_things(into: Any) -> None:
    with pytest.raises(TypeError, match=r"JSON value or of the bytes: give a function of bytes, such as json.loads"):
        decoder(into)


@pytest.mark.parametrize("into", [5, "x", b"x", [int], {"id": int}, True])
def test_what_decodes_nothing(into: Any) -> None:
    with pytest.raises(TypeError, match="into: a msgspec or pydantic type, a dataclass, or a function of bytes, not"):
        decoder(into)


def test_without_any_library() -> None:
    """Where neither is installed, what needs one says so; and none is imported for nothing."""
    code = """
import sys, dataclasses
import distributary
from distributary.into import decoder
assert not {"msgspec", "pydantic", "trio", "starlette", "django"} & set(sys.modules), sorted(sys.modules)
@dataclasses.dataclass
class Order: id: int
sys.modules["msgspec"] = sys.modules["pydantic"] = None
assert decoder(len)(b"abc") == 3
for into in (Order, list[int]):
    try: decoder(into)
    except TypeError as error: assert "install one" in str(error), error
    else: raise AssertionError
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_reads_give_what_is_made() -> None:
    with Hub() as hub, hub.subscribe("t", into=json.loads) as sub, hub.subscribe("t", into=Order) as orders:
        hub.publish("t", {"id": 1})
        assert sub.get_nowait() == {"id": 1}
        assert orders.get_nowait() == Order(1)

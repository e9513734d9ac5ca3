"""Payloads and Strawberry types, there and back."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from enum import Enum
from typing import Annotated

import pytest
import strawberry

from distributary import DecodeError, Hub, PayloadError
from distributary.strawberry import encode
from distributary.strawberry.types import decoder


@strawberry.enum
class Size(Enum):
    SMALL = 1
    LARGE = 2


@strawberry.type
class Node:
    name: str
    size: Size = Size.SMALL
    children: list[Node] = strawberry.field(default_factory=list)
    renamed: int | None = strawberry.field(name="other", default=None)

    @strawberry.field
    def upper(self) -> str:
        return self.name.upper()


@strawberry.type
class Scalars:
    id: strawberry.ID
    day: datetime.date
    time: datetime.time
    moment: datetime.datetime
    amount: decimal.Decimal
    key: uuid.UUID
    flags: list[bool | None]
    matrix: list[list[int]]


@strawberry.interface
class Animal:
    name: str


@strawberry.type
class Cat(Animal):
    pass


@strawberry.type
class Dog(Animal):
    pass


@strawberry.type
class Owner:
    pet: Annotated[Cat | Dog, strawberry.union("Pet")]


@strawberry.type
class Zoo:
    animals: list[Animal]


NODE = Node(name="a", size=Size.LARGE, children=[Node(name="b"), Node(name="c", children=[Node(name="d")])], renamed=3)
SCALARS = Scalars(
    id=strawberry.ID("7"),
    day=datetime.date(2026, 1, 2),
    time=datetime.time(3, 4, 5),
    moment=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    amount=decimal.Decimal("10.20"),
    key=uuid.UUID(int=1),
    flags=[True, None],
    matrix=[[1, 2], []],
)


@pytest.mark.parametrize("value", [NODE, SCALARS, Cat(name="x")], ids=lambda value: type(value).__name__)
def test_there_and_back(value: object) -> None:
    assert decoder(type(value))(encode(value).encode()) == value


def test_what_is_written() -> None:
    assert json.loads(encode(Node(name="ü"))) == {"name": "ü", "size": 1, "children": [], "renamed": None}
    assert encode([1, {"a": None}, "x"]) == '[1,{"a":null},"x"]'
    with Hub(encode=encode) as hub, pytest.raises(PayloadError, match="no JSON for a object"):
        hub.publish("a", object())


def test_names_of_graphql_are_known_and_others_skipped() -> None:
    assert decoder(Node)(b'{"name": "a", "other": 3, "size": "LARGE", "more": 1}') == Node(
        name="a", renamed=3, size=Size.LARGE
    )


@pytest.mark.parametrize(
    "payload",
    [
        "[]",
        "{}",
        "no JSON",
        '{"name": "a", "size": 9}',
        '{"name": "a", "children": [1]}',
        '{"name": "a", "children": 1}',
    ],
)
async def test_a_payload_that_is_none_is_told(payload: str) -> None:
    with Hub() as hub, hub.subscribe("a", into=decoder(Node)) as sub:
        hub.publish("a", payload)
        hub.publish("a", '{"name": "next"}')
        with pytest.raises(DecodeError):
            await sub.get()
        assert (await sub.get()).name == "next"


@pytest.mark.parametrize("kind", [Owner, Zoo])
def test_what_may_be_of_several_types_needs_a_function(kind: type) -> None:
    with pytest.raises(TypeError, match="several types"):
        decoder(kind)

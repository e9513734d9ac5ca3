"""From a payload to a Strawberry type, and back.

The JSON object's members are found by the field's name in Python or in GraphQL; fields with a resolver are left to it,
and a member that the type does not have is skipped. What a field needs is worked out once for each type.

Covered: types, lists, optional ones, enums by value or name, and the scalars that JSON writes as text. What could be
one of several types (a union, an interface) needs a function that knows which.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from strawberry.types.base import StrawberryList, StrawberryOptional, get_object_definition
from strawberry.utils.str_converters import to_camel_case

__all__ = ["decoder", "encode"]

Make = Callable[[Any], Any]


def _moment(text: str) -> datetime.datetime:
    # Python 3.10 does not know the "Z".
    return datetime.datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)


_SCALARS: dict[Any, Make] = {
    datetime.datetime: _moment,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    decimal.Decimal: lambda value: decimal.Decimal(str(value)),
    uuid.UUID: uuid.UUID,
}


def encode(value: object) -> str:
    """JSON of Strawberry types and of all that JSON knows: what a hub is given as its `encode`. ::

        hub = Hub(encode=encode)
        hub.publish("orders", Order(id="7", total=120.5))

    Fields have their names in Python; those with a resolver are left out.
    """
    return _write(value)


def _plain(value: Any) -> Any:
    """What JSON knows of a value that it does not know."""
    definition = get_object_definition(value)
    if definition is not None:
        names = (field.python_name for field in definition.fields if field.base_resolver is None)
        return {name: getattr(value, name) for name in names}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    raise TypeError(f"there is no JSON for a {type(value).__qualname__}")


_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode


@lru_cache(maxsize=256)
def decoder(type_: Any) -> Callable[[bytes], Any]:
    """What makes a Strawberry type of a payload.

    Raises:
        TypeError: A field's type says too little.
    """
    make = _object(type_, {})

    def decode(data: bytes) -> Any:
        return make(json.loads(data))

    return decode


def _object(type_: type[Any], known: dict[type[Any], Make]) -> Make:
    if type_ in known:
        return known[type_]
    fields: list[tuple[str, str, Make, bool]] = []

    def make(value: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"{type_.__name__} is made of a JSON object, not of {type(value).__name__}")
        made = {}
        for name, alias, field, needed in fields:
            key = name if name in value else alias
            if key in value:
                made[name] = field(value[key])
            elif needed:
                raise ValueError(f"the payload has no {name!r}, which {type_.__name__} needs")
        return type_(**made)

    # Known before its fields are: types may name each other.
    known[type_] = make
    for field in get_object_definition(type_, strict=True).fields:
        if field.base_resolver is None:
            needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            alias = field.graphql_name or to_camel_case(field.python_name)
            where = f"{type_.__name__}.{field.python_name}"
            fields.append((field.python_name, alias, _maker(field.type, where, known), needed))
    return make


def _maker(kind: Any, where: str, known: dict[type[Any], Make]) -> Make:
    if isinstance(kind, StrawberryOptional):
        inner = _maker(kind.of_type, where, known)
        return lambda value: None if value is None else inner(value)
    if isinstance(kind, StrawberryList):
        item = _maker(kind.of_type, where, known)
        return lambda value: [item(each) for each in value]
    members = getattr(kind, "wrapped_cls", kind)
    if isinstance(members, type) and issubclass(members, enum.Enum):
        return lambda value: _member(members, value)
    definition = get_object_definition(kind)
    if definition is not None and not definition.is_interface:
        return _object(kind, known)
    if definition is not None or hasattr(kind, "types"):
        raise TypeError(f"{where} may be of several types: give `into` a function of the payload's bytes")
    return _SCALARS.get(kind, _as_it_is)


def _member(members: type[enum.Enum], value: Any) -> enum.Enum:
    try:
        return members(value)
    except ValueError:
        if isinstance(value, str) and value in members.__members__:
            return members[value]
        raise


def _as_it_is(value: Any) -> Any:
    return value

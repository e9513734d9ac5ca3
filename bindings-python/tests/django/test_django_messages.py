"""What can be sent, and that each receiver has his own."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import pytest
from django.utils.safestring import mark_safe

from distributary.django import MessageError
from distributary.django.messages import Message


class Status(str, enum.Enum):
    OPEN = "open"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (None, None),
        (True, True),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (1.5, 1.5),
        ("né", "né"),
        (b"\0\xff", b"\0\xff"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"b"), b"b"),
        ([1, [2, {"a": None}]], [1, [2, {"a": None}]]),
        ((1, (2,)), [1, [2]]),
        ({"a": {"b": [1]}, b"k": 1}, {"a": {"b": [1]}, b"k": 1}),
        (mark_safe("<b>"), "<b>"),
        (Status.OPEN, "open"),
        (Level.HIGH, 3),
        ([mark_safe("<i>"), Status.OPEN], ["<i>", "open"]),
    ],
)
def test_plain_data_arrives(value: Any, arrives: Any) -> None:
    copy = Message({"type": "test", "value": value}).copy()
    assert copy == {"type": "test", "value": arrives}
    assert type(copy["value"]) is type(arrives)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (uuid.uuid4(), r"message\['value'\] is of type uuid.UUID"),
        (datetime.datetime.now(), "datetime.datetime"),
        (decimal.Decimal("1.5"), "decimal.Decimal"),
        ({1, 2}, "builtins.set"),
        (object(), "builtins.object"),
        (2**64, "does not fit 64 bits"),
        (-(2**63) - 1, "does not fit 64 bits"),
        ({"rows": [{"id": uuid.uuid4()}]}, r"message\['value'\]\['rows'\]\[0\]\['id'\] is of type uuid.UUID"),
        ({1: "a"}, "has a key of type int"),
    ],
)
def test_other_things_are_refused_where_they_are_sent(value: Any, complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint):
        Message({"type": "test", "value": value})
    assert issubclass(MessageError, TypeError)


@pytest.mark.parametrize("message", ["text", None, [("type", "a")], b""])
def test_a_message_is_a_dict(message: Any) -> None:
    with pytest.raises(AssertionError, match="not a dict"):
        Message(message)


def test_what_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {"type": "test"}
    loop["self"] = loop
    with pytest.raises(MessageError, match="contains itself"):
        Message(loop)


@pytest.mark.parametrize("value", ["flat", {"deep": [1]}])
def test_receivers_do_not_see_what_others_change(value: Any) -> None:
    sent = {"type": "test", "value": value}
    message = Message(sent)
    mine = message.copy()
    mine["value"] = 1
    if isinstance(value, dict):
        message.copy()["value"]["deep"].append(2)
        sent["value"]["deep"].append(3)
        assert message.copy()["value"] == {"deep": [1]}
    sent["type"] = "changed"
    assert message.copy()["type"] == "test"
    assert message.copy()["value"] != 1

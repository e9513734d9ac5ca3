"""Options, checked where they come in.

What is of a wrong type is a `TypeError`, what is out of its bounds an `OptionError`, and both say what was expected.
Nothing is rounded or clipped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict, get_args

from .errors import OptionError, PatternError, PositionError
from .names import Topic, encodable

if TYPE_CHECKING:
    from . import redis

__all__ = ["History", "Overflow"]

#: What gives way when a subscription does not keep up: the oldest unread events; the newest ones; the subscription,
#: which is closed; or older unread events of the same key.
Overflow = Literal["drop_oldest", "drop_newest", "disconnect", "keep_latest"]

_OVERFLOWS: tuple[str, ...] = get_args(Overflow)

#: Events, bytes, and age in seconds; None where nothing is said.
Budget: TypeAlias = tuple[int | None, int | None, float | None]


class Settings(TypedDict):
    """What the native hub is made with."""

    overflow: str
    budget: Budget
    memory: int | None
    history: list[tuple[str, Budget]]
    topic_counters: int | None
    strict_filters: bool
    redis: redis.Settings | None
    moving: bool


#: The most events that may wait for a subscription, or that a topic keeps.
MOST_EVENTS = 1 << 24
#: The most that a count of bytes or of counters can be.
MOST = (1 << 63) - 1
#: The longest time, some thirty years.
LONGEST = 1e9
#: The longest that readers may keep their loop.
LONGEST_SLICE = 1.0


@dataclass(frozen=True)
class History:
    """What a topic keeps for subscribers who come back, bounded by whatever is reached first.

    `events` is their number, `bytes` their payloads and what each costs beside, `age` is in seconds. None stands for
    the engine's own bound: 1,024 events, 64 MiB, any age.
    """

    events: int | None = None
    bytes: int | None = None
    age: float | None = None


def history(given: Mapping[str, int | History] | None) -> list[tuple[str, Budget]]:
    """Patterns and what their topics keep, in the order given: the first that matches a topic counts."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise TypeError(f"history: a dict of patterns and how much their topics keep, not {_type(given)}")
    rules: list[tuple[str, Budget]] = []
    for topics, keep in given.items():
        if not isinstance(topics, str):
            raise TypeError(f"history: a pattern is a str, not {_type(topics)}")
        name = f"history[{shown(topics)}]"
        pattern = re.sub(r"[*?[\\]", r"\\\g<0>", topics) if isinstance(topics, Topic) else topics
        if isinstance(keep, History):
            kept = budget(keep.events, keep.bytes, keep.age, (f"{name}.events", f"{name}.bytes", f"{name}.age"))
        elif isinstance(keep, int) and not isinstance(keep, bool):
            kept = budget(keep, None, None, (name, "", ""))
        else:
            raise TypeError(f"{name}: a History or a number of events, not {_type(keep)}")
        rules.append((encodable(pattern, PatternError), kept))
    return rules


#: How errors name the parts of a budget.
_PARTS = ("capacity", "capacity_bytes", "max_age")


def budget(events: int | None, size: int | None, age: float | None, names: tuple[str, str, str] = _PARTS) -> Budget:
    """Events, bytes and seconds; None where nothing is said."""
    return (
        None if events is None else whole(names[0], events, least=1, most=MOST_EVENTS),
        None if size is None else whole(names[1], size, least=1),
        None if age is None else seconds(names[2], age),
    )


def whole(name: str, given: int, *, least: int, most: int = MOST) -> int:
    """A whole number within bounds."""
    if isinstance(given, bool):
        raise TypeError(f"{name}: an int, not bool")
    try:
        number = index(given)
    except TypeError:
        raise TypeError(f"{name}: an int, not {_type(given)}") from None
    if not least <= number <= most:
        raise OptionError(f"{name}: a whole number from {least:,} to {most:,}, not {shown(number)}")
    return number


def seconds(name: str, given: float, *, most: float = LONGEST, none: bool = False) -> float:
    """A time that is longer than nothing, or with `none` can be nothing."""
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"{name}: seconds as a float or an int, not {_type(given)}")
    # Below a nanosecond the engine has no time.
    if not (1e-9 <= given <= most or (none and given == 0)) or math.isnan(given):
        least = "from 0" if none else "above 0"
        raise OptionError(f"{name}: seconds {least}, at most {most:,.0f}, not {shown(given)}")
    return float(given)


def flag(name: str, given: bool) -> bool:
    """True or False, and nothing that is taken for them."""
    if not isinstance(given, bool):
        raise TypeError(f"{name}: True or False, not {_type(given)}")
    return given


def overflow(given: Overflow) -> str:
    """The name of a policy."""
    if not isinstance(given, str):
        raise TypeError(f"overflow: a str, not {_type(given)}")
    if given not in _OVERFLOWS:
        names = ", ".join(map(repr, _OVERFLOWS[:-1]))
        raise OptionError(f"overflow: {names} or {_OVERFLOWS[-1]!r}, not {shown(given)}")
    # The name itself, whatever a subclass of `str` prints.
    return _OVERFLOWS[_OVERFLOWS.index(given)]


def positions(given: str | Mapping[str, str] | None) -> list[tuple[str | None, str]] | None:
    """Where a subscription starts: in the one topic that it names, or topic by topic."""
    if given is None:
        return None
    if isinstance(given, str):
        return [(None, encodable(given, PositionError))]
    if not isinstance(given, Mapping):
        raise TypeError(f"from_: a position as events have it, or a dict of topics and positions, not {_type(given)}")
    found: list[tuple[str | None, str]] = []
    for topic, position in given.items():
        if not isinstance(topic, str):
            raise TypeError(f"from_: a topic is a str, not {_type(topic)}")
        if not isinstance(position, str):
            raise TypeError(f"from_: the position in {shown(topic)} is a str, not {_type(position)}")
        found.append((encodable(topic), encodable(position, PositionError)))
    return found


def shown(given: object) -> str:
    """A value for the message of an error: short, whatever it is."""
    if isinstance(given, int) and given.bit_length() > 128:
        return f"an int of {given.bit_length():,} bits"
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _type(given: object) -> str:
    return type(given).__qualname__

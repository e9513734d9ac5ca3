"""How a client's subscription begins: where it says it stood, if that can be had, and now if not.

A position that cannot be resumed from is no error of the application's: time has passed, or the server was started
anew. So the subscription begins now, and the client is told that it may have missed something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import OptionError, PositionError
from ..names import Names, split
from ..subscription import Subscription
from .marks import Stood, parse

if TYPE_CHECKING:
    from ..hub import Hub

__all__ = ["Begun", "From", "begin"]

#: What is resumed from: a position in the only topic, one for each topic, or the text that a client shows.
From = str | Mapping[str, str] | None

#: What a client is told when its positions do not say where it stood.
UNKNOWN = "the position shown does not cover everything that is followed: load the current state"


class Begun(NamedTuple):
    """A subscription, and where it begins."""

    sub: Subscription[Any]
    #: By topic, as far as history is kept: where it was resumed, or now. From there it can be resumed again.
    at: dict[str, str]
    #: Why the client may have missed something, and has to be told.
    lost: str | None
    #: Whether it is of one topic, and so of one position.
    single: bool


def begin(hub: Hub, topics: Names | Subscription[Any], from_: From, options: dict[str, Any]) -> Begun:
    """Subscribes, or takes a subscription as it is."""
    options = {name: value for name, value in options.items() if value is not None}
    if isinstance(topics, Subscription):
        if options or from_ is not None:
            what = ", ".join([*options, *(["from_"] if from_ is not None else [])])
            raise OptionError(f"this is a subscription already: say {what} where it is made")
        return Begun(topics, {}, None, single=False)
    names = (topics,) if isinstance(topics, str) else tuple(topics)
    exact, patterns = split(names)
    single = len(exact) == 1 and not patterns
    resume, known = _resume(from_, exact, patterns)
    at = _positions(hub, exact)
    lost = None if known else UNKNOWN
    if resume:
        try:
            sub = hub.subscribe(names, from_=resume, **options)
            return Begun(sub, at | resume, lost, single)
        except PositionError as cause:
            lost = str(cause)
    sub = hub.subscribe(names, **options)
    if at and _positions(hub, exact) != at:
        # Published in between, by another thread: behind what the client is told and before what it would get.
        try:
            exactly = hub.subscribe(names, from_=at, **options)
        except PositionError:
            # Let go of already. The later positions are not beyond what this subscription gets.
            at = {}
        else:
            sub.close()
            sub = exactly
    return Begun(sub, at, lost, single)


def _positions(hub: Hub, topics: list[str]) -> dict[str, str]:
    """Where the topics that keep history stand."""
    found = ((topic, hub.position(topic)) for topic in topics)
    return {topic: position for topic, position in found if position is not None}


def _resume(from_: From, topics: list[str], patterns: list[str]) -> tuple[dict[str, str], bool]:
    """What to resume from, and whether it covers everything that is followed."""
    if from_ is None:
        return {}, True
    stood: Stood = parse(from_) if isinstance(from_, str) else dict(from_)
    if stood is None:
        return {}, False
    if isinstance(stood, str):
        return ({topics[0]: stood}, True) if len(topics) == 1 and not patterns else ({}, False)
    # What a pattern covers, the engine knows; the rest is of topics that are not followed any more.
    resume = stood if patterns else {topic: at for topic, at in stood.items() if topic in topics}
    return resume, not patterns and resume.keys() >= set(topics)

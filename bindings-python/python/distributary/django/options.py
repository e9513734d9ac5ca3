"""What CHANNEL_LAYERS says in CONFIG, checked when the layer is made.

Whatever is wrong is an `ImproperlyConfigured` with the name of the option: at start, and not at the first message.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ..errors import DistributaryError
from ..hub import Hub
from ..redis import Redis
from .exchange import Limits

__all__ = ["read_hub", "read_limits", "read_prefix", "read_redis"]


def read_limits(expiry: Any, group_expiry: Any, capacity: Any, channel_capacity: Any) -> Limits:
    """The limits, each checked."""
    if channel_capacity is None:
        channel_capacity = {}
    if not isinstance(channel_capacity, Mapping):
        raise _wrong("channel_capacity", "is a dict of patterns and capacities", channel_capacity)
    return Limits(
        expiry=_seconds("expiry", expiry),
        group_expiry=_seconds("group_expiry", group_expiry),
        capacity=_count("capacity", capacity),
        channel_capacity=tuple(
            (_pattern(pattern), _count(f"channel_capacity[{pattern!r}]", count))
            for pattern, count in channel_capacity.items()
        ),
    )


def read_prefix(prefix: Any) -> str:
    """The prefix: a str."""
    if not isinstance(prefix, str):
        raise _wrong("prefix", "is a str", prefix)
    return prefix


def read_hub(hub: Any) -> Hub | None:
    """The hub: one, or the dotted path of one, as settings name things."""
    if hub is None or isinstance(hub, Hub):
        return hub
    if not isinstance(hub, str):
        raise _wrong("hub", "is a distributary.Hub or the dotted path of one", hub)
    try:
        found = import_string(hub)
    except ImportError as error:
        raise ImproperlyConfigured(f"the channel layer's hub cannot be imported: {error}") from error
    if not isinstance(found, Hub):
        raise _wrong("hub", "names something that is no distributary.Hub", found)
    return found


def read_redis(redis: Any, hub: Any) -> Redis | None:
    """The server that joins processes: a URL, or options as settings write them."""
    if redis is None or isinstance(redis, Redis):
        options: Any = redis
    elif isinstance(redis, str):
        options = {"url": redis}
    elif isinstance(redis, Mapping):
        options = redis
    else:
        raise _wrong("redis", "is a URL or a dict of options", redis)
    if options is not None and hub is not None:
        raise ImproperlyConfigured("the channel layer has both hub and redis: give the redis to the hub")
    if options is None or isinstance(options, Redis):
        return options
    try:
        return Redis(**options)
    except (DistributaryError, TypeError) as error:
        raise ImproperlyConfigured(f"the channel layer's redis is wrong: {error}") from error


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise _wrong(name, "is a number of seconds above 0", value)
    return value


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(name, "is a whole number of messages, at least 1", value)
    return value


def _pattern(pattern: Any) -> re.Pattern[str]:
    if isinstance(pattern, str):
        return re.compile(fnmatch.translate(pattern))
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
        return pattern
    raise _wrong("channel_capacity", "has globs or compiled regular expressions as keys", pattern)


def _wrong(name: str, what: str, value: Any) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"the channel layer's {name} {what}, not {value!r:.80}")

"""The names of channels and groups, by the rules of the channel layer specification."""

from __future__ import annotations

import re

__all__ = ["check_channel", "check_group"]

#: Names are shorter than this.
LIMIT = 100

# What is behind the exclamation mark is local to a process.
_CHANNEL = re.compile(r"[a-zA-Z\d\-_.]+(![\w\-.]*)?", re.ASCII)
_GROUP = re.compile(r"[a-zA-Z\d\-_.]+", re.ASCII)
_RULE = (
    f"must be a valid unicode string with length < {LIMIT} "
    "containing only ASCII alphanumerics, hyphens, underscores, or periods"
)


def check_channel(name: object) -> None:
    """Raises `TypeError` unless messages can be sent to it."""
    if not (isinstance(name, str) and len(name) < LIMIT and _CHANNEL.fullmatch(name)):
        raise TypeError(f"Channel name {_RULE}, then perhaps a ! and a part local to a process: {name!r}")


def check_group(name: object) -> None:
    """Raises `TypeError` unless it can be a group's name."""
    if not (isinstance(name, str) and len(name) < LIMIT and _GROUP.fullmatch(name)):
        raise TypeError(f"Group name {_RULE}: {name!r}")

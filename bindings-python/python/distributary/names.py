"""Topics and patterns among the names that a subscription is given.

A name with `*`, `?`, `[` or a backslash in it is a pattern. Who says `Topic(name)` or `Pattern(text)` is taken at his
word: names that come from clients should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .errors import PatternError, SelectorError, TopicError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Names", "Pattern", "Topic", "split"]


class Topic(str):
    """An exact name, whatever characters are in it."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        # `str` would make a name of anything: of None, say, one that all who have no name share.
        if not isinstance(name, str):
            raise TypeError(f"a topic is a str, not {type(name).__qualname__}")
        return super().__new__(cls, name)

    def __repr__(self) -> str:
        return f"Topic({super().__repr__()})"


class Pattern(str):
    """A glob over topic names: `*` any run, `?` one character, `[a-z]` a class, a backslash takes the next as it is."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        # `str` would make a name of anything: of None, say, one that all who have no name share.
        if not isinstance(text, str):
            raise TypeError(f"a pattern is a str, not {type(text).__qualname__}")
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return f"Pattern({super().__repr__()})"


#: One name or several.
Names = str | Iterable[str]

_MAGIC = frozenset("*?[\\")


def split(names: Names) -> tuple[list[str], list[str]]:
    """The topics and the patterns."""
    topics: list[str] = []
    patterns: list[str] = []
    if isinstance(names, str):
        names = (names,)
    elif isinstance(names, (bytes, bytearray, Mapping)) or not isinstance(names, Iterable):
        raise TypeError(f"topics are a str or several, not {type(names).__qualname__}")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a topic is a str, not {type(name).__qualname__}")
        if isinstance(name, Topic) or not (isinstance(name, Pattern) or _MAGIC.intersection(name)):
            topics.append(encodable(name))
        else:
            patterns.append(encodable(name, PatternError))
    if not topics and not patterns:
        raise SelectorError("no topic is named: give at least one")
    return topics, patterns


def encodable(text: str, error: type[Exception] = TopicError) -> str:
    """A text that has an encoding, as all of Unicode does."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise error(f"{str(text)!a} has a lone surrogate, which is no character of Unicode") from None
    return text

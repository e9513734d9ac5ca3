"""What a row is: a question, those who answer it, and how their figures are put beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .report import Line
from .samples import Samples, Unit

__all__ = ["Contender", "Figures", "Of", "Row"]

#: What a run yields: a value for each figure of its row that the contender has.
Figures = Mapping[str, float]


class Of(Protocol):
    """The figures of a contender."""

    def __call__(self, contender: str, figure: str) -> Samples: ...


@dataclass(frozen=True)
class Contender:
    """One way to do the job of a row."""

    name: str
    #: Does it under the load of the row, in a process of its own.
    run: Callable[[Any], Figures]
    #: Fewer rounds than the row has, for one that is slow.
    rounds: int | None = None


@dataclass(frozen=True)
class Row:
    """A question that a user asks."""

    name: str
    question: str
    rounds: int
    figures: Mapping[str, Unit]
    contenders: Sequence[Contender]
    lines: Callable[[Of], Sequence[Line]]
    #: What is measured, in the row's own words.
    load: Any
    #: So little that only the checks mean something.
    tiny: Any

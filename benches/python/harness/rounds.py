"""Rounds: ours and the peers take turns, so that whatever else the machine does hits all of them alike.

A round runs each contender once, in a process of its own, and each round starts with another one.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import children
from .report import Line
from .rows import Figures, Row
from .samples import Samples

__all__ = ["measure"]


def measure(row: Row, most: int | None = None) -> Sequence[Line]:
    """Lets the contenders of a row take their turns, at most so many rounds; the answer is the row's lines."""
    taken: dict[str, list[Figures]] = {contender.name: [] for contender in row.contenders}
    rounds = row.rounds if most is None else min(row.rounds, most)
    for number in range(rounds):
        for turn in range(len(row.contenders)):
            contender = row.contenders[(number + turn) % len(row.contenders)]
            if contender.rounds is None or number < contender.rounds:
                taken[contender.name].append(children.measure(row.name, contender.name))

    def of(contender: str, figure: str) -> Samples:
        values = tuple(figures[figure] for figures in taken[contender])
        return Samples(contender, row.figures[figure], values)

    return row.lines(of)

"""Figures and their spread: the values of one figure, one per round.

Figures are medians over rounds; a ratio is the median of the ratios of single rounds, not the ratio of medians. Rounds
that a contender lacks (it was too slow for as many) are compared with its median.
"""

from __future__ import annotations

import enum
import itertools
import statistics
from dataclasses import dataclass

__all__ = ["Samples", "Unit"]


class Unit(enum.Enum):
    """What a figure counts."""

    NANOS = "nanos"
    BYTES = "bytes"
    COUNT = "count"


@dataclass(frozen=True)
class Samples:
    """One figure of one contender, in the order of rounds."""

    of: str
    unit: Unit
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def lowest(self) -> float:
        return min(self.values)

    @property
    def highest(self) -> float:
        return max(self.values)

    def over(self, other: Samples) -> float:
        """The ratio of this to another, round by round."""
        rounds = itertools.zip_longest(self.values, other.values[: len(self.values)], fillvalue=other.median)
        return statistics.median(ours / theirs for ours, theirs in rounds)

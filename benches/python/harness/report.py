"""What was measured, as Markdown: the tables of the other benches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .samples import Samples, Unit

__all__ = [
    "Line",
    "Section",
    "Target",
    "at_most",
    "figure",
    "plain",
    "ratio_at_most",
    "render",
    "times_less",
]

_SCALES: dict[Unit, tuple[tuple[str, ...], float]] = {
    Unit.NANOS: (("ns", "µs", "ms", "s"), 1_000),
    Unit.BYTES: (("B", "KiB", "MiB", "GiB"), 1_024),
    Unit.COUNT: (("",), 1_000),
}


@dataclass(frozen=True)
class Target:
    """What a figure has to be: ours over the peer's, or ours itself."""

    text: Callable[[Unit], str]
    holds: Callable[[Samples, float], bool]


def times_less(times: float) -> Target:
    """Ours is to be at most this part of the peer's."""
    return Target(lambda unit: f"{plain(times)} times less", lambda ours, ratio: ratio <= 1 / times)


def ratio_at_most(most: float) -> Target:
    return Target(lambda unit: f"ratio ≤ {plain(most)}", lambda ours, ratio: ratio <= most)


def at_most(most: float) -> Target:
    return Target(lambda unit: f"≤ {figure(most, unit)}", lambda ours, ratio: ours.median <= most)


@dataclass(frozen=True)
class Line:
    """One line of a table."""

    what: str
    ours: Samples
    peer: Samples | None = None
    target: Target | None = None
    #: What a reader should know, whether or not the target was reached.
    note: str = ""
    #: What stands in the way, told in place of the note when the target is missed.
    if_missed: str = ""

    @property
    def ratio(self) -> float:
        return math.nan if self.peer is None else self.ours.over(self.peer)

    @property
    def reached(self) -> bool | None:
        return None if self.target is None else self.target.holds(self.ours, self.ratio)

    def render(self) -> str:
        peer, reached = self.peer, self.reached
        cells = [
            self.what,
            _with_spread(self.ours),
            "" if peer is None else f"{peer.of}: {_with_spread(peer)}",
            "" if peer is None else _times(self.ratio),
            "" if self.target is None else self.target.text(self.ours.unit),
            {None: "", True: "yes", False: "**no**"}[reached],
            self.if_missed if reached is False and self.if_missed else self.note,
        ]
        return f"| {' | '.join(cells)} |\n"


class Section:
    """A row as it stands in the report: a heading, the question, the table."""

    def __init__(self, name: str, question: str, lines: Sequence[Line]) -> None:
        head = "| what | ours | peer | ratio | target | reached | note |\n|---|---|---|---|---|---|---|\n"
        table = "".join(line.render() for line in lines)
        self.markdown = f"### {name}\n\n{question}\n\n{head}{table}"
        self.reached = sum(line.reached is True for line in lines)
        self.missed = [f"{name}: {line.what}" for line in lines if line.reached is False]


def render(machine: str, seconds: float, sections: Sequence[Section]) -> str:
    """The whole report. `machine` is a table that describes it; `seconds` is how long it took."""
    reached = sum(section.reached for section in sections)
    missed = [what for section in sections for what in section.missed]
    listed = "".join(f"- {what}\n" for what in missed)
    return (
        f"## Python\n\n{machine}| run | {int(seconds)} s |\n\n"
        f"{reached} of {reached + len(missed)} targets reached.\n"
        + (f"\nMissed:\n\n{listed}" if missed else "")
        + "\nEach contender in a process of its own, in alternating rounds. Figures are medians over rounds, lowest "
        "and highest round in brackets; a ratio is the median of the ratios of single rounds, ours over the peer's. "
        "Processor time is that of the whole process: publishing, delivering, and the readers that take the events.\n"
        + "".join(f"\n{section.markdown}" for section in sections)
    )


def _times(ratio: float) -> str:
    """A ratio; small ones with their inverse, which targets are given in."""
    return f"{plain(ratio)} (1 / {plain(1 / ratio)})" if 0 < ratio < 0.5 else plain(ratio)


def _with_spread(samples: Samples) -> str:
    middle = figure(samples.median, samples.unit)
    if len(samples.values) == 1:
        return middle
    return f"{middle} ({figure(samples.lowest, samples.unit)} – {figure(samples.highest, samples.unit)})"  # noqa: RUF001


def figure(value: float, unit: Unit) -> str:
    """A value with its unit, scaled."""
    names, step = _SCALES[unit]
    scale = 0
    while abs(value) >= step and scale + 1 < len(names):
        value /= step
        scale += 1
    return f"{plain(value)} {names[scale]}".rstrip()


def plain(value: float) -> str:
    """A number with three significant digits."""
    magnitude = abs(value)
    if not math.isfinite(value) or magnitude == 0 or magnitude >= 100:
        return f"{value:.0f}"
    text = f"{value:.{2 - math.floor(math.log10(magnitude))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

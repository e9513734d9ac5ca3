"""Figures, ratios, targets, and their place in the report."""

from __future__ import annotations

import pytest

from harness.report import Line, Section, at_most, figure, plain, ratio_at_most, render, times_less
from harness.results import Disorder, replaced
from harness.samples import Samples, Unit


def nanos(of: str, *values: float) -> Samples:
    return Samples(of, Unit.NANOS, values)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0001, "0.0001"),
        (0.012345, "0.0123"),
        (1.2, "1.2"),
        (12.345, "12.3"),
        (1234.5, "1234"),
        (100, "100"),
        (0, "0"),
    ],
)
def test_numbers_keep_three_digits(value: float, text: str) -> None:
    assert plain(value) == text


def test_figures_are_scaled() -> None:
    assert figure(1_500, Unit.NANOS) == "1.5 µs"
    assert figure(3 * 2**20, Unit.BYTES) == "3 MiB"
    assert figure(17, Unit.COUNT) == "17"


def test_a_ratio_is_taken_round_by_round() -> None:
    assert nanos("ours", 1, 10, 2).over(nanos("peer", 2, 20, 4)) == 0.5
    assert nanos("ours", 4, 2, 2).over(nanos("peer", 2)) == 1
    assert nanos("ours", 4).over(nanos("peer", 2, 100, 100)) == 2


def test_a_missed_target_is_said_to_be_missed_and_why() -> None:
    ours, peer = nanos("ours", 6), nanos("peer", 60)
    assert Line("x", ours, peer).reached is None
    assert Line("x", ours, peer, ratio_at_most(0.2)).reached is True
    assert Line("x", ours, peer, times_less(10)).reached is True
    assert Line("x", ours, peer, times_less(11)).reached is False
    line = Line("x", ours, peer, at_most(5), note="a note", if_missed="a reason")
    assert line.render() == "| x | 6 ns | peer: 60 ns | 0.1 (1 / 10) | ≤ 5 ns | **no** | a reason |\n"


def test_the_report_counts_and_names_what_was_missed() -> None:
    lines = [
        Line("first", nanos("ours", 6), target=at_most(5)),
        Line("second", nanos("ours", 6), target=at_most(7)),
        Line("third", nanos("ours", 6)),
    ]
    text = render("| machine |\n", 12.7, [Section("row", "A question?", lines)])
    assert "\n1 of 2 targets reached.\n\nMissed:\n\n- row: first\n" in text
    assert "\n| run | 12 s |\n" in text
    assert "\n### row\n\nA question?\n\n| what |" in text


def test_the_part_takes_its_own_place_and_leaves_the_rest_alone() -> None:
    begin, end = "<!-- python: begin -->", "<!-- python: end -->"
    first = replaced("# Results\n\nrest\n", "## Python\n\nold\n")
    assert first == f"# Results\n\nrest\n\n{begin}\n\n## Python\n\nold\n\n{end}\n"
    assert replaced(first + "after\n", "## Python\n\nnew\n") == first.replace("old", "new") + "after\n"
    assert replaced("", "new") == f"{begin}\n\nnew\n\n{end}\n"
    for torn in (f"{begin}\n", f"{end}\n{begin}\n", first + first):
        with pytest.raises(Disorder, match="marks"):
            replaced(torn, "new")

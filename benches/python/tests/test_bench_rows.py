"""Every contender of every row does its job, with few readers: what it costs is not looked at."""

from __future__ import annotations

import math

import pytest

import rows
from harness.report import Section
from harness.rows import Contender, Row
from harness.samples import Samples

CASES = [
    pytest.param(row, contender, id=f"{row.name}: {contender.name}")
    for row in rows.ROWS
    for contender in row.contenders
]


@pytest.mark.parametrize(("row", "contender"), CASES)
def test_a_contender_yields_its_figures(row: Row, contender: Contender) -> None:
    figures = contender.run(row.tiny)
    assert figures.keys() <= row.figures.keys()
    assert figures
    assert all(math.isfinite(value) for value in figures.values())


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_a_row_is_told(row: Row) -> None:
    names = {contender.name for contender in row.contenders}

    def of(contender: str, figure: str) -> Samples:
        assert contender in names
        return Samples(contender, row.figures[figure], (1.0, 2.0))

    lines = row.lines(of)
    assert any(line.target is not None for line in lines)
    assert Section(row.name, row.question, lines).markdown.startswith(f"### {row.name}\n")


def test_names_are_not_given_twice() -> None:
    assert len({row.name for row in rows.ROWS}) == len(rows.ROWS)
    for row in rows.ROWS:
        assert len({contender.name for contender in row.contenders}) == len(row.contenders)

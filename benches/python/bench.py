"""The Python package beside its peers: every figure that the project promises for it, measured in one run.

python bench.py --all               writes its part of benches/RESULTS.md
python bench.py --only memory ...   prints these rows
python bench.py --quick             prints all rows after one round each: figures are noise, the checks are not
python bench.py --list              says which there are

A row answers a question that a user asks. Ours and the peers do the same job in alternating rounds, each delivery is
counted, and a run that lost one is an error, not a figure. Targets that are missed stay in the table as missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import rows
from harness import machine, results, rounds
from harness.children import ContenderFailed
from harness.report import Section, render
from harness.rows import Row

RESULTS = Path(__file__).parent.parent / "RESULTS.md"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="The Python package beside its peers.")
    orders = parser.add_mutually_exclusive_group(required=True)
    orders.add_argument("--all", action="store_true", help="write the part of benches/RESULTS.md")
    orders.add_argument("--quick", action="store_true", help="print all rows after one round each")
    orders.add_argument("--only", nargs="+", metavar="ROW", help="print these rows")
    orders.add_argument("--list", action="store_true", help="say which rows there are")
    orders.add_argument("--case", nargs=2, metavar=("ROW", "CONTENDER"), help="print the figures of one run, as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.all:
        write_all()
    elif chosen.quick:
        for row in rows.ROWS:
            show(row, most=1)
    elif chosen.only:
        for name in chosen.only:
            show(find(name))
    elif chosen.list:
        for row in rows.ROWS:
            print(f"{row.name:<10} {row.question}")
    else:
        case(*chosen.case)


def find(name: str) -> Row:
    for row in rows.ROWS:
        if row.name == name:
            return row
    sys.exit(f"there is no row {name}: --list names them")


def show(row: Row, most: int | None = None) -> None:
    print(Section(row.name, row.question, rounds.measure(row, most)).markdown, flush=True)


def case(name: str, contender: str) -> None:
    row = find(name)
    for known in row.contenders:
        if known.name == contender:
            print(json.dumps(known.run(row.load)), flush=True)
            return
    sys.exit(f"{name} has no contender {contender}")


def write_all() -> None:
    started = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - started:4.0f} s  {what}", file=sys.stderr, flush=True)

    sections = []
    for row in rows.ROWS:
        tell(row.name)
        sections.append(Section(row.name, row.question, rounds.measure(row)))
    report = render(machine.describe("`make bench-python`"), time.monotonic() - started, sections)
    old = RESULTS.read_text() if RESULTS.exists() else ""
    RESULTS.write_text(results.replaced(old, report))
    tell(f"written: {RESULTS}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ContenderFailed as failure:
        sys.exit(str(failure))

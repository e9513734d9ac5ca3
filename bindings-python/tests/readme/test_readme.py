"""The examples of the READMEs run, and say what their comments say.

Examples of one section are one program: a later one goes on where an earlier one stopped. What is an application's own
(its users, its models) stands in `STAGE`. Where ``print(...)`` has a comment, that is what it has to say.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SAID = re.compile(r"print\(.*\)  # (.*)$", re.MULTILINE)

#: What the examples of a section find: the rest of the application.
STAGE: dict[str, str] = {}


def sections(file: Path) -> Iterator[tuple[str, list[str]]]:
    """The sections that have examples in Python, and these."""
    for section in re.split(r"^## ", file.read_text(), flags=re.MULTILINE)[1:]:
        blocks = BLOCK.findall(section)
        if blocks:
            yield section.partition("\n")[0], blocks


EXAMPLES = [
    pytest.param(title, blocks, id=f"{file.parent.name}: {title}")
    for file in (PACKAGE / "README.md", PACKAGE.parent / "README.md")
    for title, blocks in sections(file)
]


@pytest.mark.parametrize(("title", "blocks"), EXAMPLES)
def test_examples_say_what_their_comments_say(title: str, blocks: list[str], tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text("\n".join([STAGE.get(title, ""), *blocks]))
    done = subprocess.run(
        [sys.executable, "-W", "error", program.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines() == [said for block in blocks for said in SAID.findall(block)]


def test_both_readmes_have_examples() -> None:
    assert len({str(example.id).partition(":")[0] for example in EXAMPLES}) == 2


def test_every_stage_is_used() -> None:
    assert STAGE.keys() <= {example.values[0] for example in EXAMPLES}

"""The types, as mypy sees them: what is right passes, what is wrong is refused, each where it should be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[int, set[str]]]:
    """What mypy has against each file: codes by line."""
    pytest.importorskip("mypy")
    files = [str(HERE / "accepted.py"), str(HERE / "rejected.py")]
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", "--no-pretty"]
    # The configuration of the package names the package besides.
    done = subprocess.run(
        [*command, "--config-file=", "--python-version=3.10", *files],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        timeout=240,
        env={
            "PATH": "/usr/bin:/bin",
            "MYPYPATH": str(PACKAGE / "python"),
            "MYPY_CACHE_DIR": str(PACKAGE / ".mypy_cache"),
        },
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    codes: dict[str, dict[int, set[str]]] = {}
    for line in done.stdout.splitlines():
        match = re.match(r"(.+?):(\d+): error: .*\[([\w-]+)\]$", line)
        if match:
            file, number, code = match.groups()
            codes.setdefault(Path(file).name, {}).setdefault(int(number), set()).add(code)
        else:
            assert re.search(r": note: ", line), line
    return codes


@pytest.mark.timeout(300)
def test_what_is_right_is_accepted(found: dict[str, dict[int, set[str]]]) -> None:
    assert found.get("accepted.py", {}) == {}
    assert set(found) <= {"accepted.py", "rejected.py"}


@pytest.mark.timeout(300)
def test_what_is_wrong_is_rejected(found: dict[str, dict[int, set[str]]]) -> None:
    lines = (HERE / "rejected.py").read_text().splitlines()
    expected = {n: {m[1]} for n, line in enumerate(lines, 1) if (m := re.search(r"# E: ([\w-]+)$", line))}
    assert len(expected) > 50
    assert found["rejected.py"] == expected

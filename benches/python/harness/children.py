"""Child processes, which end with their parent.

Each contender is measured in a process of its own in each round, so that none finds the heap, the caches or the
garbage of another. It is this program again with `--case ROW CONTENDER`, and prints its figures as one line of JSON.
The servers and clients that a contender needs are children of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import cores
from .rows import Figures

__all__ = ["ContenderFailed", "measure", "running", "spawn"]

PROGRAM = Path(__file__).parent.parent / "bench.py"

#: Seconds that a contender may take.
TIMEOUT = 90

#: prctl(2): the signal that a process gets when its parent has ended.
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ContenderFailed(Exception):
    """A contender did not yield its figures."""


def measure(row: str, contender: str) -> Figures:
    """The figures of a contender, measured in a process of its own."""
    child = spawn(
        [sys.executable, str(PROGRAM), "--case", row, contender], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with running(child):
        try:
            printed, complaints = child.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise ContenderFailed(f"{row}, {contender}: not done after {TIMEOUT} s") from None
    if child.returncode != 0:
        raise ContenderFailed(f"{row}, {contender}: ended with {child.returncode}\n{complaints.decode()}")
    figures: Figures = json.loads(printed.splitlines()[-1])
    return figures


def spawn(args: Sequence[str], *, core: int | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Starts a program that is killed when this process ends, however it ends; on this core, if one is given.

    To be called from the main thread, for it is that thread whose end counts.
    """

    def begin() -> None:
        _end_with_parent()
        if core is not None:
            cores.keep_on(core)

    return subprocess.Popen(args, preexec_fn=begin, **options)


@contextlib.contextmanager
def running(child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The child is over when the block is."""
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

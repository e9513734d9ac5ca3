"""Cores of their own for a server and its clients, so that neither takes the other's time."""

from __future__ import annotations

import os

__all__ = ["CLIENTS", "SERVER", "TWO", "keep_on"]

_CORES = sorted(os.sched_getaffinity(0))

#: Whether there are as many.
TWO = len(_CORES) >= 2

#: Their places in the list of cores.
SERVER, CLIENTS = 0, 1


def keep_on(core: int) -> None:
    """Keeps this process, its threads and its children to come on one core, where there are two."""
    if TWO:
        os.sched_setaffinity(0, {_CORES[core]})

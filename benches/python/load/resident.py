"""How much memory this process holds."""

from __future__ import annotations

import gc
import os
from pathlib import Path

__all__ = ["resident"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")


def resident() -> int:
    """Its resident set in bytes, collected garbage aside."""
    gc.collect()
    return int(_STATM.read_text().split()[1]) * _PAGE

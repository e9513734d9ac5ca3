"""The tests that others have published with their packages, run against this one.

They are taken from the source distributions, as they are: nothing of them is kept here. What a suite needs that is
different here (another class, another name) its file says.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config: pytest.Config) -> None:
    # Published tests say on which loop they run; all coroutines run on it here.
    config.addinivalue_line("markers", "asyncio: a mark of published tests")

"""What the figures were measured on, and with which versions."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

__all__ = ["describe"]

#: The packages whose versions decide the figures.
PACKAGES = (
    "distributary",
    "broadcaster",
    "channels",
    "channels_redis",
    "Django",
    "fastapi",
    "httptools",
    "litestar",
    "redis",
    "sse-starlette",
    "starlette",
    "uvicorn",
    "uvloop",
    "websockets",
)


def describe(command: str) -> str:
    """A Markdown table. `command` is what wrote the report."""
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    lines = {
        "date": datetime.date.today().isoformat(),
        "command": command,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": ", ".join([*versions, _redis_server()]),
    }
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in lines.items())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor()


def _redis_server() -> str:
    told = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    version = next((word[2:] for word in told.split() if word.startswith("v=")), "?")
    return f"redis-server {version}"

"""Source distributions from the package index, unpacked beside the environment that the tests run in."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

__all__ = ["sdist"]

_HERE = Path(__file__).parent


def sdist(name: str) -> Path:
    """The unpacked source distribution of a package in `sdists.txt`, fetched if it is not there."""
    line = next(line for line in (_HERE / "sdists.txt").read_text().splitlines() if line.startswith(f"{name}=="))
    version = line.split()[0].partition("==")[2]
    folder = Path(sys.prefix, "published", f"{name}-{version}")
    if not folder.exists():
        _fetch(line, folder)
    return folder


def _fetch(line: str, folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    # Unpacked aside and moved when it is whole: an interrupted run leaves nothing that looks finished.
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(line)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", ":all:", "--require-hashes", "-r", str(wanted), "--dest", scratch]
        subprocess.run(command, check=True, timeout=300)
        (archive,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        (unpacked,) = (found for found in Path(scratch).iterdir() if found.is_dir())
        shutil.move(unpacked, folder)

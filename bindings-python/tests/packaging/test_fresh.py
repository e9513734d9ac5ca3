"""What somebody gets who installs from source, with cargo and pip alone: from a copy of the tree and from an sdist.

The copies are outside of the tree, and pip builds in isolation. Only compiled code is shared with the tree: cargo looks
at every source file that it was compiled from. ``make python-fresh`` shares nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "bindings-python"

pytestmark = pytest.mark.timeout(900)

#: Publishes and receives, in a program without a loop and in one with a loop, and says what it runs.
PROGRAM = """
import asyncio, importlib.metadata, json, sys
import distributary
from distributary import Hub

hub = Hub()
with hub.subscribe("orders.*") as orders:
    hub.publish("orders.eu", {"id": 1})

    async def read():
        async for event in orders:
            return event.topic

    topic = asyncio.run(read())
optional = {"anyio", "channels", "django", "litestar", "msgspec", "pydantic", "starlette", "strawberry", "trio"}
print(json.dumps({
    "file": distributary.__file__,
    "version": importlib.metadata.version("distributary"),
    "topic": topic,
    "others": sorted(optional & set(sys.modules)),
}))
"""


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    """What it says; what it complained about, if it failed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")), **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command} in {cwd} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the repository holds, without anything that was built."""
    copy = tmp_path_factory.mktemp("fresh") / "distributary"
    for name in run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def sdist(tree: Path) -> Path:
    """Made from the copy, as `maturin sdist` and `python -m build` make it."""
    folder = tree.parent / "sdist"
    run(Path(sys.executable).parent / "maturin", "sdist", "--out", folder, cwd=tree / "bindings-python")
    [archive] = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """What pip makes of the sdist."""
    folder = sdist.parent / "wheel"
    run(sys.executable, "-m", "pip", "wheel", "--no-cache-dir", "--no-deps", "-w", folder, sdist, cwd=sdist.parent)
    [archive] = folder.iterdir()
    return archive


def install(what: Path, into: Path) -> dict[str, object]:
    """Installs it in an environment of its own, and says what a program there sees."""
    venv.create(into, with_pip=True)
    python = into / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", what, cwd=into)
    seen = json.loads(run(python, "-I", "-W", "error", "-c", PROGRAM, cwd=into))
    assert Path(str(seen.pop("file"))).is_relative_to(into)
    return dict(seen)


EXPECTED = {"version": metadata.version("distributary"), "topic": "orders.eu", "others": []}


def test_pip_installs_the_folder_of_a_clean_copy(tree: Path, tmp_path: Path) -> None:
    assert install(tree / "bindings-python", tmp_path / "venv") == EXPECTED
    assert not list(tree.rglob("*.so")), "the build leaves nothing in the sources"


def test_pip_installs_the_wheel_of_the_sdist(wheel: Path, tmp_path: Path) -> None:
    assert install(wheel, tmp_path / "venv") == EXPECTED


def test_the_sdist_has_all_sources_and_nothing_else(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {"Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "core/Cargo.toml", "core/src/lib.rs"} <= names
    assert {f"core/{path}" for path in sources("core", "src/**/*.rs")} <= names
    assert {f"bindings-python/{path}" for path in sources("bindings-python", "src/**/*.rs")} <= names
    assert sources("bindings-python", "python/**/*.py") <= names
    folders = {name.split("/")[0] for name in names}
    assert not folders & {"bindings-node", "benches", "fuzz", "examples", "tests", "target"}, folders
    assert not [name for name in names if "/tests/" in name and not name.startswith("core/src/")]


def test_the_wheel_has_the_package_and_its_types(wheel: Path) -> None:
    # One binary for CPython 3.10 and all that come after it.
    assert wheel.name.startswith(f"distributary-{EXPECTED['version']}-cp310-abi3-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = archive.read(f"distributary-{EXPECTED['version']}.dist-info/METADATA").decode()
    package = {name.removeprefix("distributary/") for name in names if name.startswith("distributary/")}
    assert package == {
        *(path.removeprefix("python/distributary/") for path in sources("bindings-python", "python/distributary/**/*")),
        "_native.abi3.so",
    }
    assert {"py.typed", "_native.pyi"} <= package
    assert {name.split("/")[0] for name in names} == {"distributary", f"distributary-{EXPECTED['version']}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "Requires-Python: >=3.10" in about
    assert (PACKAGE / "README.md").read_text() in about


def sources(folder: str, pattern: str) -> set[str]:
    """The files that are kept in the repository, as paths below the folder."""
    found = {path for path in (ROOT / folder).glob(pattern) if path.is_file()}
    return {
        str(path.relative_to(ROOT / folder))
        for path in found
        if path.suffix not in {".so", ".pyc"} and "tests" not in path.relative_to(ROOT).parts[:2]
    }


def test_the_license_is_the_one_of_the_repository() -> None:
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()

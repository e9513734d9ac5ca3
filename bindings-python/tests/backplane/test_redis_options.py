"""The options of Redis are the engine's: its own tests read the same table, which has all that it knows."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from distributary import OptionError, PatternError, Redis

TABLE = Path(__file__).parents[3] / "core/testdata/redis/options.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(row) for row in TABLE.read_text().splitlines()]

#: Values that are said in another shape here.
SHAPES: dict[str, Callable[[Any], Any]] = {
    "sentinel_credentials": tuple,
    "modes": dict,
    "replica_wait": lambda millis: millis / 1000,
    "queue_deadline": lambda millis: millis / 1000,
    "linger": lambda millis: millis / 1000,
    "root_certificates": str.encode,
}

#: How defaults are told to people; others in seconds.
DEFAULTS: dict[str, Callable[[int], str]] = {
    "log_length": lambda events: f"{events:,}",
    "queue_bytes": lambda size: f"{size >> 20} MiB",
}


def given(row: dict[str, Any], value: Any) -> Redis:
    option = row["option"]
    value = SHAPES.get(option, lambda it: it)(value)
    return Redis(value) if option == "urls" else Redis(row.get("url", "redis://127.0.0.1:1"), **{option: value})


CERTIFICATE = TABLE.with_name("root.pem")


@pytest.mark.parametrize(
    "given",
    [
        CERTIFICATE,
        str(CERTIFICATE),
        CERTIFICATE.read_bytes(),
        CERTIFICATE.read_text(),
        f"# häll\u00f6\n{CERTIFICATE.read_text()}{CERTIFICATE.read_text()}",
    ],
    ids=["a path", "its name", "bytes", "a str", "two in a str"],
)
def test_certificates_are_a_file_or_its_content(given: Any) -> None:
    Redis("rediss://127.0.0.1:1", root_certificates=given)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("/does/not/exist", OptionError, "as a file cannot be read"),
        ("a\0b", OptionError, "as a file cannot be read"),
        (TABLE, OptionError, "hold no certificate"),
        (b"", OptionError, "hold no certificate"),
        ("-----BEGIN PUBLIC KEY-----", OptionError, "root_certificates"),
        (5, TypeError, "a path, or PEM"),
    ],
)
def test_what_holds_no_certificate_is_refused(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Redis("rediss://127.0.0.1:1", root_certificates=given)


def rows(key: str) -> list[Any]:
    return [pytest.param(row, id=row["option"]) for row in ROWS if key in row]


def test_they_are_those_of_the_engine() -> None:
    here = {field.name for field in fields(Redis)}
    assert here == {"url" if row["option"] == "urls" else row["option"] for row in ROWS}


@pytest.mark.parametrize("row", rows("default"))
def test_their_defaults_are_told(row: dict[str, Any]) -> None:
    option, usual = row["option"], row["default"]
    told = DEFAULTS.get(option, lambda millis: f"{millis / 1000:g}")(usual)
    comment = re.search(rf"((?: *#:.*\n)+) *{option}:", inspect.getsource(Redis))
    assert comment is not None
    assert f"None: {told}." in comment[1]


@pytest.mark.parametrize("row", rows("least"))
def test_as_little_as_this_can_be(row: dict[str, Any]) -> None:
    given(row, row["least"])


@pytest.mark.parametrize("row", rows("bad"))
def test_what_cannot_be_is_refused_in_the_engine_s_words(row: dict[str, Any]) -> None:
    with pytest.raises((OptionError, PatternError), match=re.escape(row["words"])):
        given(row, row["bad"])

"""The package as it is installed: one version for both halves, types that say they are there."""

from __future__ import annotations

from importlib import metadata, resources
from pathlib import Path

import pytest

import distributary
from distributary import Hub

CARGO = Path(__file__).parents[3] / "Cargo.toml"


def test_version_is_the_one_of_the_workspace() -> None:
    assert f'\nversion = "{metadata.version("distributary")}"\n' in CARGO.read_text()


def test_says_that_it_is_typed() -> None:
    assert resources.files(distributary).joinpath("py.typed").is_file()


def test_needs_nothing_at_run_time() -> None:
    needs = metadata.requires("distributary") or []
    assert [need for need in needs if "extra ==" not in need] == []


@pytest.mark.every_loop
async def test_an_event_arrives() -> None:
    hub = Hub()
    with hub.subscribe("orders.*") as sub:
        hub.publish("orders.eu", {"id": 1})
        async for event in sub:
            assert event.topic == "orders.eu"
            break
    hub.close()

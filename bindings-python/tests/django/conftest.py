"""What the tests of the Django modules share: settings, and a layer for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
import pytest
from channels.layers import channel_layers, get_channel_layer
from django.conf import settings
from django.test.utils import override_settings

from distributary.django import ChannelLayer

if not settings.configured:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        CHANNEL_LAYERS={"default": {"BACKEND": "distributary.django.ChannelLayer"}},
        SECRET_KEY="for tests",
        USE_TZ=True,
    )
    django.setup()


@pytest.fixture
def layer() -> Iterator[ChannelLayer]:
    """The layer that consumers of the test find."""
    with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": "distributary.django.ChannelLayer"}}):
        yield get_channel_layer()
    channel_layers.backends = {}


@pytest.fixture
async def layers(redis_server: Any) -> AsyncIterator[tuple[ChannelLayer, ChannelLayer]]:
    """Two that a server joins, as in two processes."""
    one, other = ChannelLayer(redis=redis_server.url), ChannelLayer(redis={"url": redis_server.url})
    yield one, other
    for layer in (one, other):
        await layer.close()

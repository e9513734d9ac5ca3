"""What channels_redis tests of its default layer, asked of ours on a server that joins processes."""

from __future__ import annotations

from typing import Any

import pytest
from channels_redis_suite import JoinedLayer, published


@pytest.fixture(autouse=True)
def server(redis_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JoinedLayer, "url", redis_server.url)


globals().update(
    published(
        "test_core",
        left_out={
            "test_groups_channel_full": "a channel of all processes in a group, which is refused here",
            "test_default_group_key_format": "the key of a group in Redis, from a private method",
            "test_custom_group_key_format": "the key of a group in Redis, from a private method",
            "test_receive_buffer_respects_capacity": "the queue between Redis and a receiver, an attribute of theirs",
            # Expected to fail there, too: it wants a message that is 3 s old, with an expiry of 3 s.
            "test_message_expiry__group_send__one_channel_expires_message": "its own clock",
        },
        layer=JoinedLayer,
    )
)

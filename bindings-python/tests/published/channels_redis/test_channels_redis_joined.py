"""What channels_redis tests of its pub/sub layer, asked of ours on a server that joins processes."""

from __future__ import annotations

from typing import Any

import pytest
from channels_redis_suite import JoinedLayer, published


@pytest.fixture(autouse=True)
def server(redis_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JoinedLayer, "url", redis_server.url)


globals().update(
    published(
        "test_pubsub",
        left_out={
            "test_receive_on_non_owned_general_channel": "sends a str, where Channels and test_core want a dict",
            "test_loop_instance_channel_layer_reference": "the private object behind the layer in each loop",
            "test_multi_event_loop_garbage_collection": "the private objects behind the layer in each loop",
            "test_serialize": "how a message is packed for Redis: that is private here",
            "test_deserialize": "how a message is packed for Redis: that is private here",
            "test_auto_reconnect": "closes the private connection to Redis",
        },
        layer=JoinedLayer,
    )
)

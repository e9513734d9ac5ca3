"""What channels_redis tests of its pub/sub layer, asked of ours."""

from __future__ import annotations

from channels_redis_suite import published

globals().update(
    published(
        "test_pubsub",
        left_out={
            "test_receive_on_non_owned_general_channel": "sends a str, where Channels and test_core want a dict",
            "test_loop_instance_channel_layer_reference": "the private object behind the layer in each loop",
            "test_multi_event_loop_garbage_collection": "the private objects behind the layer in each loop",
            "test_serialize": "how a message is packed for Redis: nothing is packed so here",
            "test_deserialize": "how a message is packed for Redis: nothing is packed so here",
            "test_auto_reconnect": "closes the private connection to Redis",
        },
    )
)

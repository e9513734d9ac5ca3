"""Django Channels on this package: a channel layer, and consumers without a task for each message."""

from .consumers import FanoutMixin
from .errors import ForeignChannel, MessageError, QueueError, SlowWebsocket
from .exchange import LayerStats
from .layer import ChannelLayer

__all__ = ["ChannelLayer", "FanoutMixin", "ForeignChannel", "LayerStats", "MessageError", "QueueError", "SlowWebsocket"]

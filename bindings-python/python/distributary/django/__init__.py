"""Django Channels on this package: a channel layer, and consumers without a task for each message."""

from .errors import ForeignChannel, MessageError
from .exchange import LayerStats
from .layer import ChannelLayer

__all__ = ["ChannelLayer", "ForeignChannel", "LayerStats", "MessageError"]

"""The gateway: WebSockets and server-sent events to browsers and apps, from a hub, on native threads.

Its sockets are accepted, written, pinged, timed out and closed by threads that know no Python. Python decides: it is
asked who may come in and what they see, and is told what clients say. It never runs for a delivery, so a broadcast to
thousands costs the event loop nothing, and a busy event loop makes nobody wait but newcomers.
"""

from __future__ import annotations

from .client import Client, Ended, EndReason
from .limits import Limits
from .request import Headers, Query, Request
from .server import Gateway
from .stats import GatewayStats
from .verdict import Accept, Deny, Reject, Selector, Wish

__all__ = [
    "Accept",
    "Client",
    "Deny",
    "EndReason",
    "Ended",
    "Gateway",
    "GatewayStats",
    "Headers",
    "Limits",
    "Query",
    "Reject",
    "Request",
    "Selector",
    "Wish",
]

"""The questions, in the order of the report. Each file has one."""

from __future__ import annotations

from rows import all, burst, channels, gateway, memory, one, sse, stalled, websocket

__all__ = ["ROWS"]

ROWS = (
    one.ROW,
    all.ROW,
    burst.ROW,
    stalled.ROW,
    memory.ROW,
    sse.ROW,
    websocket.ROW,
    gateway.ROW,
    channels.GROUPS,
    channels.CONSUMERS,
)

"""A client manager for python-socketio, on a hub that a Redis server joins with those of other processes.

    import socketio
    from distributary.socketio import ClientManager

    server = socketio.AsyncServer(async_mode="asgi", client_manager=ClientManager("redis://127.0.0.1:6379"))

Messages are those of python-socketio's own managers, on the same channel: processes that have its `AsyncRedisManager`
or `RedisManager` are heard and hear. What differs is what carries them: `emit` does not wait for the server, a server
that comes back is found within seconds and without a storm, and what was lost meanwhile is logged.

A process that only emits has ``ClientManager(..., write_only=True)``.
"""

from __future__ import annotations

from .manager import ClientManager

__all__ = ["ClientManager"]

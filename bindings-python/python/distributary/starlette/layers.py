"""Past the layers of Starlette that have nothing to do any more.

Between an endpoint and the server Starlette wraps `send` once for each place that may have to answer an exception, to
note whether the response has begun. Once it has, these layers only pass on; together they cost a sixth of what a
delivery costs. So a stream goes past them: past exactly these, and only while they are as harmless as they are now.
A middleware that an application has added stays in the way, as it wants to be.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketState

if TYPE_CHECKING:
    from starlette.types import Send

__all__ = ["beneath", "of_socket"]

#: Where such layers are made.
_HOMES = {
    ("starlette._exception_handler", "wrap_app_handling_exceptions.<locals>.wrapped_app.<locals>.sender"),
    ("starlette.middleware.errors", "ServerErrorMiddleware.__call__.<locals>._send"),
}
#: All that they know.
_KNOWN = {"response_started", "send"}


def beneath(send: Send) -> Send:
    """What a response that has begun may send by."""
    while isinstance(send, FunctionType) and (send.__module__, send.__qualname__) in _HOMES:
        code = send.__code__
        # With names of others in it, it would do something else besides.
        if code.co_names or set(code.co_freevars) != _KNOWN or send.__closure__ is None:
            break
        send = send.__closure__[code.co_freevars.index("send")].cell_contents
    return send


def of_socket(websocket: WebSocket) -> Send:
    """What an accepted WebSocket may be sent events by."""
    plain = type(websocket).send is WebSocket.send and websocket.application_state is WebSocketState.CONNECTED
    under: Send | None = getattr(websocket, "_send", None)
    return beneath(under) if plain and under is not None else websocket.send

"""Pages go to Django, sockets to the consumer: those of this site's own pages."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat.settings")
pages = get_asgi_application()

from django.urls import path  # noqa: E402 (after Django is set up)

from .consumers import Chat  # noqa: E402

sockets = URLRouter([path("socket/<slug:room>/", Chat.as_asgi())])
application = ProtocolTypeRouter({"http": pages, "websocket": AllowedHostsOriginValidator(sockets)})

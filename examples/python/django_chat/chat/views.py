"""The page, and saying something without a socket."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .rooms import Unsaid, say


def page(request: HttpRequest) -> HttpResponse:
    """The chat."""
    return render(request, "chat.html")


@csrf_exempt  # there is no login that another site could make use of
@require_POST
def said(request: HttpRequest, room: str) -> HttpResponse:
    """Says something, as a sync view does: with a loop for this call alone."""
    try:
        line = async_to_sync(say)(room, request.POST.get("who") or "somebody", request.POST.get("text"))
    except Unsaid as error:
        return JsonResponse({"why": str(error)}, status=400)
    return JsonResponse(line.content(), status=201)

"""What was said."""

from __future__ import annotations

from typing import Any

from django.db import models


class Line(models.Model):
    """One line in one room."""

    room = models.SlugField(db_index=True)
    who = models.CharField(max_length=32)
    text = models.CharField(max_length=500)
    at = models.DateTimeField(auto_now_add=True)

    def content(self) -> dict[str, Any]:
        """As clients are told."""
        return {"room": self.room, "who": self.who, "text": self.text, "at": self.at.isoformat()}

"""The place of these figures in benches/RESULTS.md: between two marks, which the other benches keep."""

from __future__ import annotations

__all__ = ["Disorder", "replaced"]

BEGIN = "<!-- python: begin -->"
END = "<!-- python: end -->"


class Disorder(Exception):
    """The marks are not one of each, in their order."""


def replaced(text: str, section: str) -> str:
    """The text with this between the marks; without marks, after its end."""
    marked = f"{BEGIN}\n\n{section.rstrip()}\n\n{END}"
    counts = (text.count(BEGIN), text.count(END))
    if counts == (0, 0):
        return f"{text.rstrip()}\n\n{marked}\n" if text.strip() else f"{marked}\n"
    begin, end = text.find(BEGIN), text.find(END)
    if counts != (1, 1) or end < begin:
        raise Disorder(f"RESULTS.md has its marks in disorder: one {BEGIN} and then one {END} is what can be replaced")
    return text[:begin] + marked + text[end + len(END) :]

"""Fan-out inside a Python server: one event to every subscriber who asked for it, and to nobody else."""

from ._native import Delivery, Event
from .errors import (
    Busy,
    Closed,
    DistributaryError,
    FilterError,
    OptionError,
    PatternError,
    PayloadError,
    PositionError,
    SelectorError,
    TooLarge,
    TopicError,
    VariableError,
    WrongLoop,
)
from .hub import Hub
from .names import Pattern, Topic
from .subscription import Subscription

__all__ = [
    "Busy",
    "Closed",
    "Delivery",
    "DistributaryError",
    "Event",
    "FilterError",
    "Hub",
    "OptionError",
    "Pattern",
    "PatternError",
    "PayloadError",
    "PositionError",
    "SelectorError",
    "Subscription",
    "TooLarge",
    "Topic",
    "TopicError",
    "VariableError",
    "WrongLoop",
]

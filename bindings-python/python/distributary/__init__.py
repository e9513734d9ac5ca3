"""Fan-out inside a Python server: one event to every subscriber who asked for it, and to nobody else."""

from ._native import Delivery, Event
from .errors import (
    Busy,
    Closed,
    DecodeError,
    DistributaryError,
    FilterError,
    ListenError,
    NotRunning,
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
from .filter import Expression, F, Field, Filter, Template, Var
from .hub import Hub
from .names import Pattern, Topic
from .options import History, Overflow
from .stats import Stats, TopicStats
from .subscription import Subscription

__all__ = [
    "Busy",
    "Closed",
    "DecodeError",
    "Delivery",
    "DistributaryError",
    "Event",
    "Expression",
    "F",
    "Field",
    "Filter",
    "FilterError",
    "History",
    "Hub",
    "ListenError",
    "NotRunning",
    "OptionError",
    "Overflow",
    "Pattern",
    "PatternError",
    "PayloadError",
    "PositionError",
    "SelectorError",
    "Stats",
    "Subscription",
    "Template",
    "TooLarge",
    "Topic",
    "TopicError",
    "TopicStats",
    "Var",
    "VariableError",
    "WrongLoop",
]

"""Fan-out inside a Python server: one event to every subscriber who asked for it, and to nobody else."""

from ._native import Delivery, Event
from .errors import (
    Busy,
    Closed,
    DecodeError,
    DistributaryError,
    FilterError,
    ForwardError,
    ListenError,
    MigrationError,
    NotHeard,
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
from .health import Health, HealthChanges, HealthCounts, HealthLag, HealthReason
from .hub import Hub
from .migration import Course, Demands, Migration, Moving
from .names import Pattern, Topic
from .options import History, Overflow
from .redis import Redis
from .stats import Stats, TopicStats
from .subscription import Subscription
from .waiting import Acknowledged, Joined, Receipt

__all__ = [
    "Acknowledged",
    "Busy",
    "Closed",
    "Course",
    "DecodeError",
    "Delivery",
    "Demands",
    "DistributaryError",
    "Event",
    "Expression",
    "F",
    "Field",
    "Filter",
    "FilterError",
    "ForwardError",
    "Health",
    "HealthChanges",
    "HealthCounts",
    "HealthLag",
    "HealthReason",
    "History",
    "Hub",
    "Joined",
    "ListenError",
    "Migration",
    "MigrationError",
    "Moving",
    "NotHeard",
    "NotRunning",
    "OptionError",
    "Overflow",
    "Pattern",
    "PatternError",
    "PayloadError",
    "PositionError",
    "Receipt",
    "Redis",
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

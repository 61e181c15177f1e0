"""The verbs: tables in, statistics or tables out. Knows no format, no method, no engine."""

from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import (
    Bounds,
    Tables,
    count_statistics,
    fit,
    observe,
    refuse_absent,
    why,
)
from normcli.pipeline.scaling import Job, Plan, Scaling

__all__ = [
    "Bounds",
    "Choice",
    "Job",
    "Plan",
    "Scaling",
    "Tables",
    "count_statistics",
    "fit",
    "observe",
    "refuse_absent",
    "why",
]

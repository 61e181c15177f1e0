"""The verbs: tables in, statistics or tables out. Knows no format, no method, no engine."""

from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import Bounds, count_statistics, fit, observe, why
from normcli.pipeline.scaling import Job, Plan, Scaling

__all__ = [
    "Bounds",
    "Choice",
    "Job",
    "Plan",
    "Scaling",
    "count_statistics",
    "fit",
    "observe",
    "why",
]

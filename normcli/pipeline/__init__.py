"""The verbs: tables in, statistics or tables out. Knows no format, no method, no engine."""

from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import Bounds, fit, observe, why
from normcli.pipeline.scaling import Job, Scaling

__all__ = [
    "Bounds",
    "Choice",
    "Job",
    "Scaling",
    "fit",
    "observe",
    "why",
]

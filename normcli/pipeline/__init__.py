"""The verbs: tables in, statistics or tables out. Knows no format, no method, no engine."""

from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import Tables, fit, refuse_absent
from normcli.pipeline.scaling import Job, Scaling

__all__ = ["Choice", "Job", "Scaling", "Tables", "fit", "refuse_absent"]

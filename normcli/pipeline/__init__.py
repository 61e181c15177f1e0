"""The verbs: tables in, statistics or tables out. Knows no format, no method, no engine."""

"""The sidecar: the statistics of a table as a JSON file that people can read.

`dumps` and `loads` undo each other, byte for byte. A sidecar may come from anywhere, so `loads`
refuses one that is not consistent. docs/sidecar.md describes every field.
"""

from normcli.sidecar.model import Statistics
from normcli.sidecar.read import MAX_BYTES, load, loads
from normcli.sidecar.schema import VERSION, schema
from normcli.sidecar.write import dumps

__all__ = ["MAX_BYTES", "VERSION", "Statistics", "dumps", "load", "loads", "schema"]

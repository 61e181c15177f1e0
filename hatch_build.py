"""The hook of the build: it compiles the optional kernel (`normcli/kernel/text.cpp`).

Without a C++20 compiler, or with NORMCLI_KERNEL=0, the package is built without it, and works.
The kernel is a shared library that knows nothing of Python: one file serves all its versions.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from tools.kernel import LIBRARY, ROOT, build  # the path is set first


class Kernel(BuildHookInterface):
    """The hook: hatchling finds it by the name of this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add the library to the wheel."""
        if self.target_name != "wheel" or os.environ.get("NORMCLI_KERNEL") == "0" or not build():
            return
        build_data["artifacts"].append(str(LIBRARY.relative_to(ROOT)))
        build_data["pure_python"] = False
        platform = os.environ.get("_PYTHON_HOST_PLATFORM") or sysconfig.get_platform()
        build_data["tag"] = f"py3-none-{platform.replace('-', '_').replace('.', '_')}"

"""What a run was made on."""

import contextlib
import os
import platform
from pathlib import Path


def describe() -> str:
    """Cores, processor, system, Python, and how busy it was with other things (load average of a minute)."""
    model = ""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cores, python, load = os.cpu_count(), platform.python_version(), os.getloadavg()[0]
    return (
        f"{cores} × {model or platform.machine()}, {platform.system()}, Python {python},"  # noqa: RUF001
        f" load average {load:.1f} at the start"
    )

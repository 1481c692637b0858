"""What made an artifact besides its recipe: the code, the installed packages and the kind of machine.

Recorded in every manifest, never part of its digest. Nothing here names a person, a host or a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from perceptlm.config import digest_of

_RECORDED_PACKAGES = ("numpy", "torch", "av", "pillow", "tokenizers", "safetensors", "pydantic")


@cache
def _describe_code() -> tuple[tuple[str, str | bool | None], ...]:
    from perceptlm import __version__

    root = Path(__file__).parent
    sources = sorted(path for path in root.rglob("*") if path.suffix in (".py", ".html"))
    source_digest = digest_of(
        {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sources}
    )
    commit = None
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "-C", str(root), "log", "-1", "--format=%H", "--", "."]
        commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() or None
    return (("version", __version__), ("commit", commit), ("source_digest", source_digest))


def describe_code() -> dict[str, str | bool | None]:
    """Return version, last commit that touched the package (None outside git), and a digest of its sources."""
    return dict(_describe_code())


def describe_environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide the bytes."""
    found = {"python": platform.python_version()}
    for name in _RECORDED_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def describe_hardware() -> dict[str, str | int]:
    """Return the kind of machine: architecture, processor model and core count; never its name."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"machine": platform.machine(), "processor": model, "num_cores": os.cpu_count() or 1}

"""Install what tests of the annotation service start by themselves: PostgreSQL and Chromium, from Debian's packages.

Does nothing where both are there. Needs no installed Python package. Where it may not install them, it says what to do,
and the tests that need them are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TIMEOUT_SECONDS = 900


def has_postgresql() -> bool:
    """Return whether PostgreSQL's server programs are there."""
    return bool(list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))) or shutil.which("initdb") is not None


def has_chromium() -> bool:
    """Return whether Chromium is there."""
    return shutil.which("chromium") is not None


PACKAGES: dict[str, Callable[[], bool]] = {"postgresql": has_postgresql, "chromium": has_chromium}


def main() -> int:
    """Install what is missing; return 0 also where that is not allowed, for tests can be run without."""
    missing = [name for name, is_there in PACKAGES.items() if not is_there()]
    if not missing:
        return 0
    command = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"test services: {', '.join(missing)} missing; tests that need them are skipped")
        print(f"hint: as root, on Debian or Ubuntu: {command}")
        return 0
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for line in ("apt-get update", command):
        done = subprocess.run(
            line.split(), env=environment, timeout=TIMEOUT_SECONDS, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            print(f"test services: '{line}' failed: {done.stderr.strip()[-500:]}")
            print("hint: install them by hand; until then the tests that need them are skipped")
            return 0
    print(f"test services: installed {', '.join(missing)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

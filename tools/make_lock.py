"""Write requirements/lock.txt and requirements/lock-dev.txt from pyproject.toml, with hashes, for every platform.

Run by `make lock`, which brings `uv`; people who only install never need it. Torch has a file of its own: the lock
holds the packages that every build of torch needs, and none that only the CUDA builds need.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
NEEDED_BY_TORCH = ("filelock", "fsspec", "jinja2", "networkx", "setuptools", "sympy", "typing-extensions")
DEVELOPMENT_EXTRAS = ("gguf", "parquet", "captions", "tensorboard", "annotate", "postgres", "test", "oracle", "check")
HEADER = """\
# {what}, exactly pinned, with hashes. Made by `make lock` from pyproject.toml; do not edit.
"""


def runtime_requirements(project: dict[str, list[str]]) -> list[str]:
    """Return what the package needs, torch apart."""
    wanted = [line for line in project["dependencies"] if re.split(r"[<>=!~ \[]", line)[0] != "torch"]
    return [*wanted, *NEEDED_BY_TORCH]


def compile_lock(requirements: list[str], *, constraints: list[Path]) -> str:
    """Return the pinned and hashed lines that `uv` resolves, keeping to what `constraints` pin."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--fork-strategy", "fewest", "--no-header", "--no-annotate", "--quiet"]
    for path in constraints:
        command += ["--constraint", str(path)]
    text = "\n".join(requirements)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as overrides:
        # What needs torch finds it installed; a build of its own choosing would bring the CUDA packages along.
        overrides.write("torch ; sys_platform == 'none'\n")
        overrides.flush()
        command += ["--override", overrides.name]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def without(lock: str, names: set[str]) -> str:
    """Return `lock` without the entries of the packages `names`."""
    entries = re.findall(r"^\S[^\n]*\n(?:[ ]+[^\n]*\n)*", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if entry.partition("==")[0] not in names)


def main() -> None:
    """Write both lock files; the development one holds only what the runtime one does not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = compile_lock(runtime_requirements(project), constraints=[])
    path = REQUIREMENTS / "lock.txt"
    path.write_text(HEADER.format(what="What perceptlm needs to run") + runtime, encoding="utf-8")
    extras = [line for extra in DEVELOPMENT_EXTRAS for line in project["optional-dependencies"][extra]]
    everything = compile_lock([*runtime_requirements(project), *extras], constraints=[path])
    names = set(re.findall(r"^([A-Za-z0-9._-]+)==", runtime, flags=re.MULTILINE))
    development = without(everything, {*names, "torch"})
    path = REQUIREMENTS / "lock-dev.txt"
    path.write_text(HEADER.format(what="What tests and checks need besides") + development, encoding="utf-8")


if __name__ == "__main__":
    main()

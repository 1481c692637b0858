"""The lock agrees with pyproject.toml, and tools/install.sh refuses in clear words what cannot work."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def entries(name):
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?=[^\n]*\\\n)", text, flags=re.MULTILINE))


def test_everything_the_project_asks_for_is_pinned_within_its_range():
    runtime, development = entries("lock.txt"), entries("lock-dev.txt")
    torch = re.search(r"^torch==(\S+)$", (ROOT / "requirements" / "torch.txt").read_text(), flags=re.MULTILINE)
    pinned = {"torch": torch.group(1), **runtime}
    for line in PROJECT["dependencies"]:
        wanted = Requirement(line)
        assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, line
    for line in [*PROJECT["optional-dependencies"]["test"], *PROJECT["optional-dependencies"]["check"]]:
        wanted = Requirement(line)
        assert {**runtime, **development}[canonicalize_name(wanted.name)] in wanted.specifier, line
    assert not set(runtime) & set(development)


@pytest.mark.parametrize("name", ["lock.txt", "lock-dev.txt"])
def test_every_entry_has_hashes_and_none_is_for_cuda(name):
    text = (ROOT / "requirements" / name).read_text()
    for entry in re.split(r"\n(?=[A-Za-z])", text.partition("\n")[2]):
        assert "--hash=sha256:" in entry, entry
    assert not [package for package in entries(name) if re.match(r"torch$|nvidia|cuda|triton", package)]


@pytest.fixture
def project(tmp_path):
    """A copy of what an installation reads, in a path with a space."""
    copy = tmp_path / "a project"
    (copy / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "install.sh", copy / "tools")
    shutil.copytree(ROOT / "requirements", copy / "requirements")
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def install(project, *arguments, **environment):
    command = ["sh", str(project / "tools" / "install.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_an_old_python_is_named(project):
    old = project / "old python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = install(project, PYTHON=str(old))
    assert done.returncode == 1
    assert "error: Python 3.11 or newer is needed, found: Python 3.9.2" in done.stderr
    assert not (project / ".venv").exists()


def test_an_unknown_group_is_refused(project):
    done = install(project, "everything")
    assert (done.returncode, done.stderr) == (1, "error: usage: tools/install.sh [runtime|dev]\n")


@pytest.fixture
def stand_in():
    """Return a maker of runs with a stand-in for Python; a run returns how it was called."""

    def make(project):
        python, log = project / "python", project / "log"
        python.write_text(
            f'#!/bin/sh\necho "$*" >>"{log}"\n'
            'case "$*" in *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;; esac\n'
        )
        python.chmod(0o755)

        def run(*arguments):
            log.write_text("")
            done = install(project, *arguments, PYTHON=str(python))
            assert done.returncode == 0, done.stderr
            return log.read_text()

        return run

    return make


def test_a_finished_installation_is_left_alone_until_something_changes(project, stand_in):
    run = stand_in(project)
    first = run("dev")
    assert first.index("torch==") < first.index("lock.txt") < first.index("lock-dev.txt") < first.index("-e .")
    assert run("dev") == run("runtime") == ""
    with open(project / "requirements" / "lock-dev.txt", "a") as file:
        file.write("# changed\n")
    assert run("runtime") == ""
    changed = run("dev")
    assert "lock-dev.txt" in changed
    assert "-m venv" not in changed


def test_after_a_kill_and_after_a_move_it_begins_anew(project, stand_in):
    run = stand_in(project)
    assert "-m venv --clear .venv" in run("runtime")
    (project / ".venv.unfinished").write_text("999999999\n")
    assert "-m venv --clear .venv" in run("runtime")
    assert run("runtime") == ""
    moved = project.rename(project.parent / "moved")
    assert "-m venv --clear .venv" in stand_in(moved)("runtime")


def test_two_installations_at_once_are_refused(project, stand_in):
    (project / ".venv.unfinished").write_text(f"{os.getpid()}\n")
    stand_in(project)
    done = install(project, PYTHON=str(project / "python"))
    assert done.returncode == 1
    assert f"another installation is running here (process {os.getpid()})" in done.stderr
    assert not (project / ".venv").exists()


def test_packages_go_nowhere_but_into_the_virtual_environment(project, stand_in):
    calls = stand_in(project)("dev").splitlines()
    assert all("--require-virtualenv" in call for call in calls if "-m pip" in call)

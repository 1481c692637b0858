"""`plm demo`, killed with SIGKILL and started again, ends with the bytes of an uninterrupted run and no process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from perceptlm.artifact import MANIFEST, list_children, partial_path, read_manifest, verify
from perceptlm.workflow.reproduce import compare

TIMEOUT_SECONDS = 300
WORKERS_END_SECONDS = 30


def start(out: Path) -> subprocess.Popen:
    """Start `plm demo --smoke` in a process group of its own, for each process to be found by."""
    command = [sys.executable, "-m", "perceptlm", "demo", "--smoke", "--out", str(out)]
    with open(out.with_name("stderr.txt"), "ab") as stderr:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True)


def processes_of(group: int) -> list[int]:
    """Return the living processes of a process group (zombies are dead)."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, _, process_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(entry.name))
    return found


def wait_until(condition, process: subprocess.Popen | None, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, f"the demo ended by itself with {process.returncode}"
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def kill(process: subprocess.Popen) -> None:
    """Kill the main process alone: the others must notice and end."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not processes_of(process.pid), None, WORKERS_END_SECONDS)


def finish(out: Path) -> None:
    process = start(out)
    assert process.wait(TIMEOUT_SECONDS) == 0, out.with_name("stderr.txt").read_text()
    # Python's own tracker of shared resources ends just after the process that it watches.
    wait_until(lambda: not processes_of(process.pid), None, WORKERS_END_SECONDS)


def assert_equal_to(out: Path, demo: Path) -> None:
    assert compare(demo, out) == []
    assert read_manifest(out).digest == read_manifest(demo).digest
    assert verify(out) == []
    left = [path for path in out.parent.rglob("*") if path.name.endswith((".partial", ".tmp"))]
    assert left == []


def has_lines(path: Path, num_lines: int) -> bool:
    return path.is_file() and path.read_bytes().count(b"\n") >= num_lines


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="finds processes through /proc")


@pytest.mark.slow
def test_killed_in_world_training_and_evaluation(demo, tmp_path):
    out = tmp_path / "demo"
    partial = partial_path(out)
    moments = [
        lambda: any((partial / "world.partial").rglob("*.mp4")),
        lambda: has_lines(partial / "midtrain.partial" / "metrics.jsonl", 2),
        lambda: has_lines(partial / "blind" / "sft.partial" / "metrics.jsonl", 1),
        lambda: has_lines(partial / "eval.partial" / "answers.jsonl", 9),
    ]
    for moment in moments:
        process = start(out)
        wait_until(moment, process, TIMEOUT_SECONDS)
        kill(process)
        assert not out.exists()
    # What was finished before the last kill is good as it lies there.
    finished = {name: (partial / name / MANIFEST).stat().st_mtime_ns for name in list_children(partial)}
    assert {"world", "midtrain", "blind/sft"} <= set(finished)
    finish(out)
    assert_equal_to(out, demo)
    assert {name: (out / name / MANIFEST).stat().st_mtime_ns for name in finished} == finished


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments(demo, tmp_path, seed):
    rng = np.random.default_rng(seed)
    out = tmp_path / "demo"
    for _ in range(8):
        process = start(out)
        time.sleep(float(rng.uniform(0.5, 12)))
        if process.poll() is not None:
            break
        kill(process)
    finish(out)
    assert_equal_to(out, demo)

"""The whole evaluation by the command line, one server being model and judge: faults and kills change no byte.

`test_survival` has the model alone and `test_judged_runs` the judge alone; here is all of it, as a person runs it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from scripted_server import JUDGE, ScriptedServer, broken, busy, cut_off, serving, silent, truncated

from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.clients import openai_http
from perceptlm.eval.judges.opening import CACHE_NAME
from perceptlm.eval.questions import make_questions
from perceptlm.exchange.jsonl import read_whole_lines
from perceptlm.schema import Sample

CONCURRENCY = 4
NUM_ASKED = 70
"""Requests to the model: five clips of seven questions, two variants."""
RESULTS = ("rows.jsonl", "scores.json", "breakdown.json")
OPTIONS = (
    "--tasks fgqa,sgqa,rcap,rtloc,rdcap --variants own,zero --num-frames 8 --model-name m --judge-name judge "
    f"--concurrency {CONCURRENCY} --judge-parallel {CONCURRENCY}"
).split()
Asked = Literal["model", "judge"]
FAULTS = (busy, broken, truncated, cut_off, silent)


def judge(text: str, seed: int) -> str:
    """Grade by the digest of the text; at the first try one reply of four cannot be read."""
    digest = int(hashlib.sha256(text.encode()).hexdigest(), 16)
    if seed == 0 and digest % 4 == 0:
        return "I would rather not say."
    said = {"pred": ("yes", "no")[digest % 2]} if "<question>" in text else {"explanation": "", "score": digest % 11}
    return json.dumps(said)


@pytest.fixture(scope="module")
def answers(clip_samples: Callable[[int, str], list[Sample]]) -> dict[str, str]:
    """What the model says: references, those that are judged with words of their own, or they would need few calls."""
    samples = [sample for clip in range(5) for sample in clip_samples(clip, "benchmark")]
    found = {question.sample.id: question.reference for question in make_questions(samples, 8)}
    judged = [name for name in found if name.endswith(("sgqa", "rcap", "rdcap"))]
    return found | {name: found[name].replace(".", f" in {name}.") for name in judged}


@pytest.fixture
def server(answers: dict[str, str]) -> Iterator[ScriptedServer]:
    with serving(answers) as found:
        found.judge = judge
        yield found


class Evaluation:
    """One evaluation by the command line, in a folder of its own, with its own cache of the judge's replies."""

    def __init__(self, world: Path, server: ScriptedServer, folder: Path) -> None:
        self.server, self.out = server, folder / "out"
        self.partial, self.cache = artifact.partial_path(self.out), folder / CACHE_NAME
        ends = ["--endpoint", server.url, "--judge-endpoint", server.url]
        self.command = ["eval", "run", "--data", str(world), "--out", str(self.out), *ends, *OPTIONS]

    def recorded(self) -> set[tuple[str, str]]:
        """Return what has an answer or a reply on disk, as the server names it."""
        found: set[tuple[str, str]] = set()
        for path in self.partial.glob("answers*.jsonl"):
            found |= {(record["variant"], record["id"]) for _, record in read_whole_lines(path)}
        if self.cache.exists():
            with sqlite3.connect(self.cache) as file:
                found |= {(JUDGE.name, key.hex()) for (key,) in file.execute("SELECT key FROM replies")}
            file.close()
        return found

    def again(self, run: Callable[[], int]) -> int:
        """Run, and make sure that nothing is asked that was recorded."""
        known, first = self.recorded(), len(self.server.asked)
        code = run()
        assert known.isdisjoint(self.server.asked[first:])
        assert known <= self.recorded() or self.out.exists()
        return code

    def killed(self, asked: Asked, after: int) -> int:
        """Run in a process of its own; SIGKILL comes while the model, or the judge, is asked for the time `after` (from
        0, of this run)."""
        first, started, process = len(self.server.asked), threading.Event(), []

        def on_request(_: int) -> None:
            to_judge = [variant == JUDGE.name for variant, _ in self.server.asked[first:]]
            if to_judge.count(asked == "judge") > after:
                started.wait(10)
                process[0].send_signal(signal.SIGKILL)

        self.server.on_request = on_request
        environment = {name: value for name, value in os.environ.items() if name != "PLM_API_KEY"}
        process.append(
            subprocess.Popen(
                [sys.executable, "-m", "perceptlm", *self.command],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        )
        started.set()
        code = process[0].wait()
        self.server.on_request = lambda _: None
        return code

    def assert_same(self, expected: Path) -> None:
        for name in RESULTS:
            assert (self.out / name).read_bytes() == (expected / name).read_bytes()
        assert artifact.list_files(self.out) == artifact.list_files(expected)


@pytest.fixture(scope="module")
def expected(answers: dict[str, str], asking_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an evaluation without faults publishes, each thing asked once."""
    with serving(answers) as server:
        server.judge = judge
        evaluation = Evaluation(asking_world, server, tmp_path_factory.mktemp("expected"))
        assert run(evaluation.command) == 0
        assert server.repeats() == 0
        by_model = [variant for variant, _ in server.asked if variant != JUDGE.name]
        assert len(by_model) == NUM_ASKED
        assert len(server.asked) > NUM_ASKED + 28
    tasks = json.loads((evaluation.out / "scores.json").read_text(encoding="utf-8"))["tasks"]
    assert list(tasks) == ["fgqa", "sgqa", "rcap", "rtloc", "rdcap"]
    assert all(0 < tasks[name]["score"] < 1 for name in tasks if name != "fgqa")
    assert sum(tasks[name]["judge"]["asked_again"] for name in ("sgqa", "rcap", "rdcap")) > 0
    return evaluation.out


@pytest.fixture
def evaluation(asking_world: Path, server: ScriptedServer, tmp_path: Path) -> Evaluation:
    return Evaluation(asking_world, server, tmp_path)


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_http, "_FIRST_WAIT_SECONDS", 0.01)


@pytest.mark.usefixtures("_short_waits")
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_faults_and_an_outage_of_the_judge_change_no_byte(
    seed: int, evaluation: Evaluation, expected: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, draw = evaluation.server, random.Random(seed)
    chosen = {number: draw.choice(FAULTS[:4]) for number in draw.sample(range(110), 25)}
    chosen |= dict.fromkeys(draw.sample(range(110), 3), silent)
    num_judged = draw.randrange(4, 20)

    def fault(number: int) -> Any:
        judged = [variant for variant, _ in server.asked[: number + 1]].count(JUDGE.name)
        return broken if judged > num_judged else chosen.get(number)

    server.fault = fault
    evaluation.command += ["--timeout", "0.3", "--judge-timeout", "0.3"]
    assert evaluation.again(lambda: run(evaluation.command)) != 0
    assert "calls to the judge got no reply" in capsys.readouterr().err
    assert not evaluation.out.exists()
    known = [variant for variant, _ in evaluation.recorded()]
    assert len(known) - known.count(JUDGE.name) == NUM_ASKED
    assert known.count(JUDGE.name) > 0
    first = len(server.asked)
    server.fault = lambda number: chosen.get(number - first)
    assert evaluation.again(lambda: run(evaluation.command)) == 0
    evaluation.assert_same(expected)


def kill_and_resume(
    evaluation: Evaluation, moments: list[tuple[Asked, int]], expected: Path, num_faults: int = 0
) -> None:
    for moment in moments:
        assert evaluation.again(partial(evaluation.killed, *moment)) == -signal.SIGKILL
        assert not evaluation.out.exists()
    assert evaluation.again(lambda: run(evaluation.command)) == 0
    assert evaluation.server.repeats() <= CONCURRENCY * len(moments) + num_faults
    evaluation.assert_same(expected)


@pytest.mark.usefixtures("_short_waits")
def test_killed_while_asking_and_while_judging(evaluation: Evaluation, expected: Path) -> None:
    draw = random.Random(1)
    evaluation.server.delay_seconds = 0.005
    kill_and_resume(evaluation, [("model", draw.randrange(5, 60)), ("judge", draw.randrange(3, 20))], expected)


@pytest.mark.slow
@pytest.mark.usefixtures("_short_waits")
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment(seed: int, evaluation: Evaluation, expected: Path) -> None:
    draw, server = random.Random(seed), evaluation.server
    server.delay_seconds = draw.choice([0.0, 0.005, 0.03])
    faults = {number: draw.choice(FAULTS[:4]) for number in draw.sample(range(100), 4)} if seed % 2 else {}
    server.fault = faults.get
    asking: list[tuple[Asked, int]] = [("model", draw.randrange(25)) for _ in range(2)]
    # The first call to the judge is the moment between: all answers are there, and no reply.
    kill_and_resume(evaluation, [*asking, ("judge", 0), ("judge", draw.randrange(1, 15))], expected, len(faults))

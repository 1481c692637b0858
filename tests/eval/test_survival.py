"""An evaluation of a server that fails, and one that is killed, end as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_server import ScriptedServer, broken, busy, cut_off, serving, silent, truncated

from perceptlm import artifact
from perceptlm.clients import OpenAIClient
from perceptlm.errors import ClientError, UsageError
from perceptlm.eval.generation import ANSWERS, Share
from perceptlm.eval.questions import make_questions
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_whole_lines
from perceptlm.schema import Sample

CONCURRENCY = 4
SETTINGS = EvalSettings(num_frames=4, variants=("own", "zero"))
NUM_REQUESTS = 90
"""Five clips of ten questions, two variants; nine questions of each clip are asked, for one is of no row."""
RESULTS = ("rows.jsonl", "scores.json", "breakdown.json")
OPTIONS = ("--num-frames", "4", "--variants", "own,zero", "--concurrency", str(CONCURRENCY), "--model-name", "m")


@pytest.fixture(scope="module")
def answers(clip_samples: Callable[[int, str], list[Sample]]) -> dict[str, str]:
    samples = [sample for clip in range(5) for sample in clip_samples(clip, "benchmark")]
    return {question.sample.id: question.reference for question in make_questions(samples, 4)}


@pytest.fixture
def server(answers: dict[str, str]) -> Iterator[ScriptedServer]:
    with serving(answers) as found:
        yield found


def client_of(server: ScriptedServer, **options: Any) -> OpenAIClient:
    more = {"num_parallel": CONCURRENCY, "timeout_seconds": 0.2, "sleep": lambda _: None, **options}
    return OpenAIClient(server.url, model="m", **more)


@pytest.fixture(scope="module")
def expected(answers: dict[str, str], asking_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an uninterrupted evaluation of a good server publishes."""
    with serving(answers) as server:
        out = evaluate(client_of(server), asking_world, tmp_path_factory.mktemp("expected") / "out", SETTINGS)
        assert len(server.asked) == len(set(server.asked)) == NUM_REQUESTS
    return out


def assert_same(out: Path, expected: Path) -> None:
    for name in RESULTS:
        assert (out / name).read_bytes() == (expected / name).read_bytes()
    assert sorted(artifact.list_files(out)) == sorted(artifact.list_files(expected))


def recorded(partial: Path) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for path in partial.glob("answers*.jsonl"):
        found |= {(record["variant"], record["id"]) for _, record in read_whole_lines(path)}
    return found


@pytest.mark.parametrize("fault", [busy, broken, truncated, cut_off, silent], ids=lambda fault: fault.__name__)
def test_faults_do_not_change_the_results(
    fault: Any, server: ScriptedServer, asking_world: Path, expected: Path, tmp_path: Path
) -> None:
    chosen = set(random.Random(0).sample(range(NUM_REQUESTS), 6 if fault is silent else 25))
    server.fault = lambda number: fault if number in chosen else None
    evaluate(client_of(server), asking_world, tmp_path / "out", SETTINGS)
    assert_same(tmp_path / "out", expected)
    assert len(server.asked) == NUM_REQUESTS + len(chosen)


def test_an_outage_stops_the_run_and_the_same_command_goes_on(
    server: ScriptedServer, asking_world: Path, expected: Path, tmp_path: Path
) -> None:
    server.fault = lambda number: broken if number >= 40 else None
    with pytest.raises(ClientError, match="requests failed"):
        evaluate(client_of(server, max_attempts=2), asking_world, tmp_path / "out", SETTINGS)
    known = recorded(tmp_path / "out.partial")
    assert 40 - CONCURRENCY <= len(known) <= 40
    num_before = len(server.asked)
    server.fault = lambda _: None
    evaluate(client_of(server), asking_world, tmp_path / "out", SETTINGS)
    assert len(server.asked) - num_before == NUM_REQUESTS - len(known)
    assert_same(tmp_path / "out", expected)


def test_a_short_outage_is_over_when_the_failed_are_asked_once_more(
    server: ScriptedServer, asking_world: Path, expected: Path, tmp_path: Path
) -> None:
    server.fault = lambda number: broken if 20 <= number < 24 else None
    evaluate(client_of(server, max_attempts=1), asking_world, tmp_path / "out", SETTINGS)
    assert_same(tmp_path / "out", expected)


def test_many_failures_in_a_row_end_a_run_early(server: ScriptedServer, asking_world: Path, tmp_path: Path) -> None:
    server.fault = lambda _: broken
    settings = SETTINGS.model_copy(update={"max_error_share": 0.5})
    with pytest.raises(ClientError, match="20 of 90 requests failed, many in a row"):
        evaluate(client_of(server, max_attempts=1), asking_world, tmp_path / "out", settings)


class Commands:
    """Runs `plm eval run` in processes of their own, which a test may kill when the server has been asked so often."""

    def __init__(self, world: Path, server: ScriptedServer, out: Path) -> None:
        self.arguments = ["--data", str(world), "--out", str(out), "--endpoint", server.url, *OPTIONS]
        self.server = server
        self.partial = artifact.partial_path(out)

    def run(self, *more: str, kill_after: int | None = None) -> int:
        """Return the exit code; with `kill_after` SIGKILL comes while that request (from 0, of this run) is asked."""
        first, started, process = len(self.server.asked), threading.Event(), []

        def on_request(number: int) -> None:
            if kill_after is not None and number - first == kill_after:
                started.wait(10)
                process[0].send_signal(signal.SIGKILL)

        self.server.on_request = on_request
        command = [sys.executable, "-m", "perceptlm", "eval", "run", *self.arguments, *more]
        environment = {name: value for name, value in os.environ.items() if name != "PLM_API_KEY"}
        process.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment))
        started.set()
        return process[0].wait()


def kill_and_resume(
    world: Path, server: ScriptedServer, out: Path, moments: list[int], expected: Path, num_faults: int = 0
) -> None:
    commands = Commands(world, server, out)
    for moment in moments:
        known, first = recorded(commands.partial), len(server.asked)
        assert commands.run(kill_after=moment) == -signal.SIGKILL
        assert known.isdisjoint(server.asked[first:])
    known, first = recorded(commands.partial), len(server.asked)
    assert commands.run() == 0
    assert known.isdisjoint(server.asked[first:])
    assert len(set(server.asked)) == NUM_REQUESTS
    assert server.repeats() <= CONCURRENCY * len(moments) + num_faults
    assert_same(out, expected)


def test_a_killed_run_repeats_at_most_what_was_under_way(
    server: ScriptedServer, asking_world: Path, expected: Path, tmp_path: Path
) -> None:
    server.delay_seconds = 0.01
    kill_and_resume(asking_world, server, tmp_path / "out", [random.Random(1).randrange(60)], expected)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_runs_killed_at_any_moment(
    seed: int, server: ScriptedServer, asking_world: Path, expected: Path, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    server.delay_seconds = draw.choice([0.0, 0.005, 0.05])
    faults = {number: draw.choice([busy, truncated]) for number in draw.sample(range(60), 2)} if seed % 2 else {}
    server.fault = faults.get
    moments = [draw.randrange(25) for _ in range(3)]
    kill_and_resume(asking_world, server, tmp_path / "out", moments, expected, num_faults=len(faults))


def test_shards_of_one_evaluation_in_processes_of_their_own(
    server: ScriptedServer, asking_world: Path, expected: Path, tmp_path: Path
) -> None:
    commands = Commands(asking_world, server, tmp_path / "out")
    threads = [threading.Thread(target=commands.run, args=("--shard", f"{number}/2")) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = sorted(path.name for path in commands.partial.glob("answers*.jsonl"))
    assert names == ["answers-1-of-2.jsonl", "answers-2-of-2.jsonl"]
    assert len(server.asked) == len(set(server.asked)) == NUM_REQUESTS
    evaluate(client_of(server), asking_world, tmp_path / "out", SETTINGS)
    assert len(server.asked) == NUM_REQUESTS
    assert_same(tmp_path / "out", expected)


def test_a_missing_shard_is_asked_by_the_last_run(
    server: ScriptedServer, asking_world: Path, expected: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    partial = evaluate(client_of(server), asking_world, out, SETTINGS, share=Share(number=2, total=3))
    assert partial == artifact.partial_path(out)
    assert not out.exists()
    num_asked = len(server.asked)
    assert 0 < num_asked < NUM_REQUESTS
    evaluate(client_of(server), asking_world, out, SETTINGS, share=Share(number=2, total=3))
    assert len(server.asked) == num_asked
    evaluate(client_of(server), asking_world, out, SETTINGS)
    assert len(server.asked) == NUM_REQUESTS
    assert_same(out, expected)


def test_asking_and_scoring_apart(server: ScriptedServer, asking_world: Path, expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    client = client_of(server)
    evaluate(client, asking_world, out, SETTINGS, phase="ask")
    assert not out.exists()
    assert len(recorded(tmp_path / "out.partial")) == NUM_REQUESTS
    evaluate(client, asking_world, out, SETTINGS, phase="score")
    assert len(server.asked) == NUM_REQUESTS
    assert_same(out, expected)


def test_scoring_what_was_not_asked_is_refused(server: ScriptedServer, asking_world: Path, tmp_path: Path) -> None:
    out, client = tmp_path / "out", client_of(server)
    evaluate(client, asking_world, out, SETTINGS, share=Share(number=1, total=3))
    with pytest.raises(ClientError, match="no answer was recorded"):
        evaluate(client, asking_world, out, SETTINGS, phase="score")
    settings = SETTINGS.model_copy(update={"max_error_share": 1.0})
    evaluate(client, asking_world, tmp_path / "more", settings, share=Share(number=1, total=3))
    evaluate(client, asking_world, tmp_path / "more", settings, phase="score")
    rows = [record for _, record in read_whole_lines(tmp_path / "more" / "rows.jsonl")]
    missing = [row["score"] for row in rows if row["score"]["outcome"] == "error"]
    assert len(rows) == NUM_REQUESTS
    assert 0 < len(missing) < NUM_REQUESTS
    assert all(score["score"] is None and score["reason"] == "no answer was recorded" for score in missing)


def test_two_processes_do_not_write_one_file(server: ScriptedServer, asking_world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    errors: list[BaseException] = []

    def second(number: int) -> None:
        if number == 5:
            with pytest.raises(UsageError, match="another process is writing") as found:
                evaluate(client_of(server), asking_world, out, SETTINGS)
            errors.append(found.value)

    server.on_request = second
    evaluate(client_of(server, timeout_seconds=20), asking_world, out, SETTINGS)
    assert len(errors) == 1
    assert not (artifact.partial_path(out) / ANSWERS).exists()

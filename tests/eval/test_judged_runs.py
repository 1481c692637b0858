"""Whole evaluations with a model as the judge: faults and kills change no byte, failures become bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_server import JudgeServer, judge_server

from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.clients import OpenAIClient
from perceptlm.errors import ArtifactError, ClientError
from perceptlm.eval.baselines import NOT_COMPUTED
from perceptlm.eval.judges.cache import ReplyCache
from perceptlm.eval.judges.client_judge import ClientJudge
from perceptlm.eval.judges.opening import open_judge
from perceptlm.eval.judges.wording import STRICT
from perceptlm.eval.outcomes import Row
from perceptlm.eval.questions import make_questions
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_records
from perceptlm.schema import Sample
from perceptlm.workflow.reproduce import reproduce

SETTINGS = EvalSettings(num_frames=8, num_samples_per_chunk=7, num_resamples=100, variants=("own", "other"))


def grade(text: str) -> str:
    """Grade as a judge that only knows equal texts; an answer is right if it is the reference."""
    reference, prediction = (
        text.partition(f"<{name}>\n")[2].partition("\n</")[0] for name in ("reference", "prediction")
    )
    if "<question>" in text:
        return json.dumps({"pred": "yes" if reference == prediction else "no"})
    return json.dumps({"explanation": "?", "score": 10 if reference == prediction else 2})


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server(grade) as found:
        yield found


@pytest.fixture(scope="module")
def answering(clip_samples: Callable[[int, str], list[Sample]]) -> Callable[[Any], str]:
    """Gives the reference, but to the captions of clip 1, which it is vague about."""
    samples = [sample for clip in range(5) for sample in clip_samples(clip, "benchmark")]
    references = {question.sample.id: question.reference for question in make_questions(samples, 8)}
    return lambda request: "Things." if request.id == "benchmark-1-rcap" else references[request.id]


def make_judge(server: JudgeServer, cache: ReplyCache | None = None, **options: Any) -> ClientJudge:
    client = OpenAIClient(
        server.url, model="judge", num_parallel=3, max_attempts=4, timeout_seconds=0.4, sleep=lambda _: None
    )
    return ClientJudge(client, STRICT, "strict", cache=cache, **options)


def tasks_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "scores.json").read_text(encoding="utf-8"))["tasks"]


def rows_of(out: Path) -> list[Row]:
    return list(read_records(out / "rows.jsonl", Row))


def test_a_model_judges(
    tiny_world: Path, fake_client: Any, answering: Any, server: JudgeServer, tmp_path: Path
) -> None:
    out = evaluate(fake_client(answering), tiny_world, tmp_path / "out", SETTINGS, judge=make_judge(server))
    tasks = tasks_of(out)
    assert tasks["sgqa"]["score"] == 1.0
    assert tasks["rcap"]["score"] == pytest.approx((4 + 0.2) / 5)
    assert tasks["rdcap"]["score"] == pytest.approx(1.0)
    assert tasks["rcap"]["judge"]["judgements"] == 5
    assert "judge" not in tasks["fgqa"]
    assert "judge, revision abc" in tasks["rcap"]["metric"]
    assert tasks["rcap"]["baselines"]["constant"] == {"score": None, "rule": NOT_COMPUTED}
    assert tasks["rtloc"]["baselines"]["constant"]["score"] is not None
    rows = {row.id: row for row in rows_of(out) if row.variant == "own"}
    (judgement,) = rows["benchmark-1-rcap"].judgements
    assert (judgement.value, judgement.reply) == (0.2, '{"explanation": "?", "score": 2}')
    assert [item.id for item in rows["benchmark-0-rdcap"].judgements] == [
        f"benchmark-0-rdcap/{number}/{number}" for number in range(3)
    ]
    assert max(server.asked.values()) == 1
    recipe = artifact.read_manifest(out).recipe
    assert recipe["judge"]["prompt_hash"] == STRICT.prompt_hash
    with pytest.raises(ArtifactError, match="another recipe"):
        evaluate(fake_client(answering), tiny_world, out, SETTINGS)  # the procedural judge is another evaluation
    with pytest.raises(ArtifactError, match="replies cannot be made again"):
        reproduce(out)


def test_faults_and_an_outage_change_no_byte(
    tiny_world: Path, fake_client: Any, answering: Any, server: JudgeServer, tmp_path: Path
) -> None:
    good = evaluate(fake_client(answering), tiny_world, tmp_path / "good", SETTINGS, judge=make_judge(server))
    num_calls = server.asked.total()
    server.seen.clear()
    server.asked.clear()
    server.faults = ("busy", "torn")

    def dying(text: str) -> str:
        server.is_down = len(server.asked) == 4
        return grade(text)

    server.reply = dying
    client = fake_client(answering)
    with ReplyCache(tmp_path / "cache") as cache:
        for _ in range(2):
            with pytest.raises(ClientError, match="judge got no reply"):
                evaluate(client, tiny_world, tmp_path / "out", SETTINGS, judge=make_judge(server, cache))
            num_asked = len(client.asked)
        server.is_down, server.reply = False, grade
        out = evaluate(client, tiny_world, tmp_path / "out", SETTINGS, judge=make_judge(server, cache))
    assert len(client.asked) == num_asked
    assert server.asked.total() == num_calls
    for name in ("rows.jsonl", "scores.json", "breakdown.json"):
        assert (out / name).read_bytes() == (good / name).read_bytes()
    assert artifact.read_manifest(out).digest == artifact.read_manifest(good).digest


def test_a_failed_judge_is_bounds_and_never_a_silent_zero(
    tiny_world: Path, fake_client: Any, answering: Any, server: JudgeServer, tmp_path: Path
) -> None:
    caption = next(item.reference for item in rows_of_references(tiny_world) if item.row == "rcap")

    def partly(text: str) -> str:
        # Captions of clip 0 are never judged; in its dense caption that is one pair of three.
        return "I will not say." if f"\n{caption}\n" in text and "<question>" not in text else grade(text)

    server.reply = partly
    out = evaluate(fake_client(answering), tiny_world, tmp_path / "out", SETTINGS, judge=make_judge(server))
    tasks = tasks_of(out)
    assert tasks["rcap"]["outcomes"] == {"value": 4, "unscored": 1, "error": 0}
    assert tasks["rcap"]["reasons"] == {"judge: not JSON": 1}
    assert tasks["rcap"]["score"] == pytest.approx((3 + 0.2) / 4)
    assert tasks["rcap"]["bounds"] == pytest.approx([(3 + 0.2) / 5, (4 + 0.2) / 5])
    assert tasks["rcap"]["judge"]["unreadable_replies"] == 1
    assert tasks["rcap"]["judge"]["asked_again"] == 1
    assert tasks["rdcap"]["outcomes"]["unscored"] == 1
    low, high = tasks["rdcap"]["bounds"]
    assert 0.9 < low < high == pytest.approx(1.0)  # one pair of one of five dense captions is all that is unknown
    row = next(row for row in rows_of(out) if row.id == "benchmark-0-rdcap" and row.variant == "own")
    assert row.score.score is None
    assert row.score.low is not None
    assert 0.4 < row.score.low < 1


def rows_of_references(world: Path) -> list[Any]:
    from perceptlm.eval.datasets import EvalData, load_questions

    return list(load_questions([EvalData(world)], SETTINGS))


def test_lmms_eval_scores_an_unreadable_reply_zero_and_we_count_it(
    tiny_world: Path, fake_client: Any, answering: Any, tmp_path: Path
) -> None:
    replies = {
        "benchmark-0-rcap": "```7```",
        "benchmark-1-rcap": '{"score": 12, "explanation": ""}',
        "benchmark-2-rcap": "7",
    }
    questions = {question.sample.id: question for question in rows_of_references(tiny_world)}
    texts = {questions[name].reference: reply for name, reply in replies.items()}
    words = tmp_path / "words.yaml"
    words.write_text(
        "answer: {system: '', user: 'A {reference} {prediction}'}\n"
        "caption: {system: '', user: '{prediction}|{reference}'}\n"
    )

    def reply(request: Any) -> str:
        return texts.get(request.turns[-1].text.partition("|")[0], '{"score": 10, "explanation": ""}')

    settings = EvalSettings(
        num_frames=8, num_resamples=100, variants=("own",), profile="lmms-eval-0.7.2", num_samples_per_chunk=50
    )
    references = {question.sample.id: question.reference for question in questions.values()}
    judge_client = fake_client(reply)
    with open_judge(judge_client, settings.profile, cache=tmp_path / "cache", wording=words) as judge:
        out = evaluate(fake_client(lambda r: references[r.id]), tiny_world, tmp_path / "out", settings, judge=judge)
    task = tasks_of(out)["rcap"]
    scores = {row.id: row.score for row in rows_of(out)}
    assert (scores["benchmark-0-rcap"].score, scores["benchmark-0-rcap"].bounds) == (0.0, (0.0, 1.0))
    assert (scores["benchmark-1-rcap"].score, scores["benchmark-1-rcap"].off_scale) == (1.2, True)
    assert scores["benchmark-2-rcap"].outcome == "unscored"
    assert task["score"] == pytest.approx((0 + 1.2 + 1 + 1) / 4)
    assert task["bounds"] == pytest.approx([3.2 / 5, 5.2 / 5])
    assert task["judge"]["failed"] == task["judge"]["unreadable_replies"] == 2
    assert task["judge"]["off_scale"] == 1
    assert task["judge"]["asked_again"] == 0
    prompts = {row.id: row.prompt for row in rows_of(out)}
    assert prompts["benchmark-0-sgqa"].endswith("{answer}")
    assert not prompts["benchmark-0-rcap"].endswith("{answer}")


def test_the_command_line_judges_forecasts_and_compares(
    tiny_world: Path, fake_client: Any, server: JudgeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--data", str(tiny_world), "--endpoint", server.url, "--model-name", "judge", "--num-frames", "8"]
    options += ["--variants", "own", "--limit", "2"]
    judged = [*options, "--judge-endpoint", server.url, "--judge-name", "judge", "--judge-revision", "abc"]
    priced = ["--price-in", "1", "--judge-price-in", "1", "--judge-price-out", "2"]
    assert run(["eval", "run", "--out", str(out), *judged, *priced, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["num_requests"] == plan["model"]["num_requests"] == 16
    assert (plan["judge"]["num_requests"], plan["num_exact_calls"], plan["num_cached_calls"]) == (16, 0, None)
    assert plan["model"]["cost"] > 0
    assert plan["judge"]["cost"] > 0
    assert server.seen.total() == 0
    server.reply = lambda text: grade(text) if "<prediction>" in text else "The red ball jumps once."
    assert run(["eval", "run", "--out", str(out), *judged]) == 0
    said = capsys.readouterr()
    assert "judge: judge, revision abc" in said.out
    assert "calls asked" in said.err
    assert (tmp_path / "judge-cache.sqlite3").is_file()
    assert run(["eval", "run", "--out", str(tmp_path / "rules"), *options]) == 0
    capsys.readouterr()
    assert run(["eval", "judge-agreement", str(out), "--against", str(tmp_path / "rules"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [scale["scale"] for scale in report["scales"]] == ["answers", "captions"]
    assert report["num_other_prediction"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--judge-name", "x"], "go together"),
        (["--judge-wording", "x.yaml"], "need --judge-endpoint"),
        (["--judge-endpoint", "http://h/v1", "--judge-name", "j", "--judge-model", "d"], "give one of"),
        (["--profile", "paperr"], "profile"),
    ],
)
def test_options_of_judges_are_checked(
    options: list[str], message: str, tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["eval", "run", "--data", str(tiny_world), "--out", str(tmp_path / "o"), "--num-frames", "8", "--dry-run"]
    assert run([*command, "--endpoint", "http://127.0.0.1:9/v1", "--model-name", "m", *options]) != 0
    assert message in capsys.readouterr().err

"""A whole evaluation with scripted clients: numbers, resuming, failures, what is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perceptlm import artifact
from perceptlm.clients import GenerationRequest
from perceptlm.config import ConfigError, parse
from perceptlm.errors import ArtifactError, ClientError, DataError, UsageError
from perceptlm.eval.breakdown import read_breakdown
from perceptlm.eval.questions import make_questions
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.eval.summary import table_lines
from perceptlm.exchange.jsonl import read_lines
from perceptlm.schema import Sample

SETTINGS = EvalSettings(num_frames=8, num_samples_per_chunk=7, num_resamples=200)
ROWS = ("fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image")


@pytest.fixture(scope="module")
def references(clip_samples: Callable[[int, str], list[Sample]]) -> dict[str, str]:
    samples = [sample for clip in range(5) for sample in clip_samples(clip, "benchmark")]
    return {question.sample.id: question.reference for question in make_questions(samples, 8)}


@pytest.fixture(scope="module")
def sighted(references: dict[str, str]) -> Callable[[GenerationRequest], str]:
    """Knows every answer, but must see its own clip: grey 20 + 25 x number, as its first pixel shows."""

    def answer(request: GenerationRequest) -> str:
        clip = int(request.id.split("-")[1])
        corner = int(request.media[0].pictures[0][31, 31, 0])
        return references[request.id] if abs(corner - 20 - 25 * clip) < 10 else "I see nothing."

    return answer


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [record for _, record in read_lines(out / "rows.jsonl")]


def scores_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "scores.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def published(tiny_world: Path, fake_client: Any, sighted: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluate(fake_client(sighted), tiny_world, tmp_path_factory.mktemp("eval") / "out", SETTINGS)


def test_a_model_that_looks_is_told_from_one_that_does_not(published: Path) -> None:
    scores = scores_of(published)
    assert set(scores["tasks"]) == set(ROWS)
    assert scores["average"] == pytest.approx(1.0)
    assert 0 <= scores["average_ci_low"] <= scores["average"] <= scores["average_ci_high"] <= 1 + 1e-12
    assert scores["interval"].startswith("studentised bootstrap over clusters")
    for name, row in scores["tasks"].items():
        assert row["score"] == pytest.approx(1.0), name
        assert row["ci_low"] <= row["score"] <= row["ci_high"]
        assert row["outcomes"] == {"value": row["num_questions"], "unscored": 0, "error": 0}
        assert set(row["baselines"]) == {"blind", "chance", "constant", "oracle"}
        assert row["baselines"]["blind"]["score"] == 0.0
        assert set(row["blind_variants"]) == {"zero", "other"}
        paired = row["blind_variants"]["zero"]["paired"]
        assert paired["difference"] == pytest.approx(1.0)
        assert paired["excludes_zero"] == (paired["p_value"] < 0.05)
        assert row["blind_variants"]["other"]["paired"]["difference"] == pytest.approx(1.0)
    # Groups differ by exactly 1: as sure as the sign test of five clips, and no surer.
    assert scores["tasks"]["fgqa"]["blind_variants"]["zero"]["paired"]["p_value"] == 2 / 2**5
    assert scores["tasks"]["fgqa"]["n"] == 5
    assert scores["tasks"]["image"]["n"] == 10


def test_the_judge_is_named_as_what_it_is(published: Path) -> None:
    scores = scores_of(published)
    assert "not an LLM judge" in scores["judge"]
    assert all("not an LLM judge" in scores["tasks"][row]["metric"] for row in ("sgqa", "rcap", "rdcap", "image"))
    assert "not an LLM judge" in table_lines(scores)[-1]


def test_the_table_says_what_it_is_not_a_score_of(published: Path) -> None:
    scores = scores_of(published)
    whole = table_lines(scores)
    assert not any("could be" in line or "were asked" in line for line in whole)
    scores["tasks"] = {"fgqa": scores["tasks"]["fgqa"]}
    scores["tasks"]["fgqa"] |= {
        "num_questions": 48,
        "outcomes": {"value": 10, "unscored": 8, "error": 30},
        "reasons": {"the server\x1b[1m\nis down": 30, "no facts": 8},
        "bounds": [0.125, 0.917],
    }
    lines = table_lines(scores)
    assert lines[-1] == (
        "fgqa: 38 of 48 questions have no answer that could be scored (unscored 8, error 30; most often: "
        "the server [1m is down); the score could be 12.5 to 91.7"
    )
    assert not any(line.startswith("judge:") for line in lines)  # nothing here is judged


def test_rows_hold_everything_needed_to_check_a_score(published: Path, references: dict[str, str]) -> None:
    rows = rows_of(published)
    assert [row["id"] for row in rows] == list(references) * 3
    assert [row["variant"] for row in rows] == [v for v in ("own", "zero", "other") for _ in references]
    first = rows[0]
    assert first["prompt"] == "Question about fgqa."
    assert first["reference"] == first["prediction"] == references[first["id"]]
    assert first["template"] == "fgqa/plain"
    assert first["score"]["parsed"] == 0
    assert artifact.verify(published) == []
    assert sorted(artifact.list_files(published)) == ["breakdown.json", "rows.jsonl", "scores.json"]


def test_the_breakdown_adds_up_to_the_scores(published: Path) -> None:
    tasks = scores_of(published)["tasks"]
    slices = read_breakdown(published)
    assert {item.row for item in slices} == set(ROWS)
    for name in ROWS:
        of_row = [item for item in slices if item.row == name and item.by == "dimension"]
        assert sum(item.n for item in of_row) == tasks[name]["n"]
        assert [item.score for item in of_row] == [tasks[name]["score"]]
        assert [item.constant for item in of_row] == [pytest.approx(tasks[name]["baselines"]["constant"]["score"])]
        assert [item.blind for item in of_row] == [0.0]


@pytest.mark.parametrize("die_after", [0, 1, 20, 60, 134])
def test_a_killed_evaluation_goes_on_and_ends_the_same(
    die_after: int, published: Path, tiny_world: Path, fake_client: Any, sighted: Any, tmp_path: Path
) -> None:
    client = fake_client(sighted)
    client.die_after = die_after
    with pytest.raises(KeyboardInterrupt):
        evaluate(client, tiny_world, tmp_path / "out", SETTINGS)
    answers = tmp_path / "out.partial" / "answers.jsonl"
    with open(answers, "ab") as file:
        file.write(b'{"id":"torn')
    client.die_after = None
    evaluate(client, tiny_world, tmp_path / "out", SETTINGS)
    for name in ("rows.jsonl", "scores.json", "breakdown.json"):
        assert (tmp_path / "out" / name).read_bytes() == (published / name).read_bytes()
    assert artifact.read_manifest(tmp_path / "out").digest == artifact.read_manifest(published).digest
    assert len(client.asked) <= 135 + SETTINGS.num_samples_per_chunk


def test_a_run_killed_before_publishing_asks_nothing_again(
    published: Path, tiny_world: Path, fake_client: Any, sighted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    client = fake_client(sighted)
    with monkeypatch.context() as patch:
        patch.setattr(artifact, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            evaluate(client, tiny_world, tmp_path / "out", SETTINGS)
    num_asked = len(client.asked)
    evaluate(client, tiny_world, tmp_path / "out", SETTINGS)
    assert len(client.asked) == num_asked
    assert artifact.read_manifest(tmp_path / "out").digest == artifact.read_manifest(published).digest


def test_failures_are_errors_not_zeros(tiny_world: Path, fake_client: Any, sighted: Any, tmp_path: Path) -> None:
    client = fake_client(sighted)
    client.failing = frozenset({"benchmark-0-rcap", "benchmark-1-fgqa-2"})
    settings = SETTINGS.model_copy(update={"max_error_share": 0.5})
    evaluate(client, tiny_world, tmp_path / "out", settings)
    tasks = scores_of(tmp_path / "out")["tasks"]
    assert tasks["rcap"]["outcomes"] == {"value": 4, "unscored": 0, "error": 1}
    assert tasks["rcap"]["reasons"] == {"the server is down": 1}
    assert tasks["rcap"]["score"] == 1.0
    assert tasks["rcap"]["bounds"] == pytest.approx([0.8, 1.0])
    assert tasks["fgqa"]["n"] == 4
    assert tasks["fgqa"]["bounds"] == pytest.approx([0.8, 1.0])


def test_too_many_failures_stop_the_run_and_keep_the_answers(
    tiny_world: Path, fake_client: Any, sighted: Any, tmp_path: Path
) -> None:
    client = fake_client(sighted)
    client.failing = frozenset(f"benchmark-{clip}-{task}" for clip in range(5) for task in ("rcap", "rdcap"))
    with pytest.raises(ClientError, match="the server is down"):
        evaluate(client, tiny_world, tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()
    client.failing = frozenset()
    evaluate(client, tiny_world, tmp_path / "out", SETTINGS)
    assert scores_of(tmp_path / "out")["tasks"]["rcap"]["outcomes"]["error"] == 0


def test_the_best_blind_variant_is_the_baseline(
    tiny_world: Path, fake_client: Any, sighted: Any, references: dict[str, str], tmp_path: Path
) -> None:
    variants = ("own", "zero", "trained_blind")
    settings = SETTINGS.model_copy(update={"variants": variants})
    blind = fake_client(lambda request: references[request.id] if "sgqa" in request.id else "(A)", name="blind")
    evaluate(fake_client(sighted), tiny_world, tmp_path / "out", settings, clients={"trained_blind": blind})
    row = scores_of(tmp_path / "out")["tasks"]["sgqa"]
    assert row["baselines"]["blind"]["variant"] == "trained_blind"
    assert row["baselines"]["blind"]["score"] == 1.0
    assert row["baselines"]["blind"]["paired"]["difference"] == 0.0
    assert not any(picture.any() for request in blind.asked for item in request.media for picture in item.pictures)


def test_hostile_answers_are_published_as_text(tiny_world: Path, fake_client: Any, tmp_path: Path) -> None:
    # A lone surrogate cannot be written as UTF-8; JSON from a server may hold one.
    hostile = '\ud800\0\n{"id": 1}\u2028</script><|eot_id|> [0, 99999999999999999999]: ' + "[" * 2000
    settings = SETTINGS.model_copy(update={"variants": ("own",)})
    evaluate(fake_client(lambda _: hostile), tiny_world, tmp_path / "out", settings)
    assert all(row["prediction"] == hostile.replace("\ud800", "?") for row in rows_of(tmp_path / "out"))
    tasks = scores_of(tmp_path / "out")["tasks"]
    assert all(row["score"] == 0.0 for row in tasks.values())
    assert "blind" not in tasks["sgqa"]["baselines"]
    assert tasks["fgqa"]["parse_failures"] == 15


def test_a_single_question_per_row_still_has_another_clip(
    tiny_world: Path, fake_client: Any, sighted: Any, tmp_path: Path
) -> None:
    evaluate(fake_client(sighted), tiny_world, tmp_path / "out", SETTINGS.model_copy(update={"limit": 1}))
    scores = scores_of(tmp_path / "out")
    tasks = scores["tasks"]
    assert "only the first 1 items of each row were asked" in table_lines(scores)
    assert [row["num_questions"] for row in tasks.values()] == [3, 1, 1, 1, 1, 1]
    assert tasks["sgqa"]["blind_variants"]["other"]["score"] == 0.0
    assert (tasks["sgqa"]["ci_low"], tasks["sgqa"]["ci_high"]) == (0.0, 1.0)


def test_what_cannot_be_evaluated_is_refused(tiny_world: Path, fake_client: Any, tmp_path: Path) -> None:
    client = fake_client(lambda _: "")
    with pytest.raises(UsageError, match="trained_blind"):
        evaluate(client, tiny_world, tmp_path / "out", SETTINGS, clients={"trained_blind": client})
    with pytest.raises(ArtifactError, match="no such directory"):
        evaluate(client, tmp_path / "missing", tmp_path / "out", SETTINGS)
    other = artifact.build(tmp_path / "other", kind="model", recipe={}, make=lambda _: None)
    with pytest.raises(ArtifactError, match="kind 'model'"):
        evaluate(client, other, tmp_path / "out", SETTINGS)
    with pytest.raises(DataError):
        evaluate(client, tiny_world, tmp_path / "out", SETTINGS.model_copy(update={"split": "validation"}))


@pytest.mark.parametrize("variants", [["zero"], ["own", "own"], [], ["own", "blurred"]])
def test_variants_are_checked(variants: list[str]) -> None:
    with pytest.raises(ConfigError, match="variants"):
        parse(EvalSettings, {"num_frames": 8, "variants": variants})


def test_a_client_that_loses_answers_is_found_out(tiny_world: Path, fake_client: Any, tmp_path: Path) -> None:
    class Forgetful(fake_client):  # type: ignore[misc]
        def generate(self, requests: Any) -> Any:
            return super().generate(requests[1:])

    with pytest.raises(ClientError, match="no answer"):
        evaluate(Forgetful(lambda _: ""), tiny_world, tmp_path / "out", SETTINGS)

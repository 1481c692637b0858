"""`plm eval report`: every number is there, hostile text is shown and not run, and what is missing is said."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from html_reader import HtmlReader

from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.errors import ArtifactError, UsageError
from perceptlm.eval.benchmarks.plm_videobench.published import PUBLISHED
from perceptlm.eval.compare import compare_runs
from perceptlm.eval.judges.protocol import JudgeCall, JudgeIdentity, Verdict
from perceptlm.eval.outcomes import Row
from perceptlm.eval.report_page import write_report
from perceptlm.eval.report_samples import choose, gist_of, outcome_of
from perceptlm.eval.report_tables import published_table
from perceptlm.eval.results import RESULTS, read_runs
from perceptlm.eval.runner import ROWS, SCORES, evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_records, write_records
from perceptlm.report.plain_table import PlainTable

HOSTILE = '<script>alert(1)</script> " onerror="x \' {{ 7*7 }} </details> https://evil.example \x1b[31m\u202e'
SETTINGS = EvalSettings(num_frames=8, variants=("own", "zero", "single_frame", "no_box"), num_resamples=50)


class HalfBrokenJudge:
    """Fails every other call, and replies with what wants to be run."""

    identity = JudgeIdentity(name="judge", revision="7", prompt_hash="0" * 64, temperature=0.0, backend="test")

    def judge(self, calls: list[JudgeCall]) -> list[Verdict]:
        broken = Verdict(None, reply=HOSTILE, reason="unreadable")
        return [broken if number % 2 else Verdict(0.5, reply='{"score": 5}') for number, _ in enumerate(calls)]


@pytest.fixture(scope="module")
def published(tiny_world: Path, fake_client: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two evaluations: a model that answers with hostile text, and one that says something to each task."""
    folder = tmp_path_factory.mktemp("evals")

    def say(request: Any) -> str:
        return "(A) [1, 5] [0, 3]: The red ball jumps." if "fgqa" not in request.id else "(A)"

    first = evaluate(fake_client(lambda _: HOSTILE, name=HOSTILE), tiny_world, folder / "a", SETTINGS)
    judge: Any = HalfBrokenJudge()
    second = evaluate(fake_client(say, name="b"), tiny_world, folder / "b", SETTINGS, judge=judge)
    return [first, second]


def report_of(directories: list[Path], out: Path, **options: Any) -> tuple[HtmlReader, str, dict[str, Any]]:
    write_report(read_runs(directories, **options), out)
    html = out.read_text(encoding="utf-8")
    return HtmlReader(html), html, json.loads((out.parent / RESULTS).read_text())


def test_the_page_runs_and_fetches_nothing_of_others(published: list[Path], tmp_path: Path) -> None:
    page, html, _ = report_of(published, tmp_path / "report.html")
    assert len(page.of("script")) == len(page.of("style")) == 1
    assert "<script>alert" not in html
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", html)
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href"}:
                assert str(value).startswith(("data:image/", "#section-"))
    policy = str(page.of("meta")[1]["content"])
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "script-src 'sha256-" in policy
    assert "{{ 7*7 }}" in page.text  # shown as it is
    assert len(html) < 10_000_000


def test_the_page_shows_scores_answers_verdicts_and_times(published: list[Path], tmp_path: Path) -> None:
    page, _, numbers = report_of(published, tmp_path / "report.html")
    items = page.of("details", "item")
    assert {item["data-filter0"] for item in items} == {"fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image"}
    assert "judge: failed: unreadable" in page.text
    assert len(page.of("svg", "timeline")) == 10  # rtloc and rdcap of five clips
    assert any(
        "truth: 1 to 5; a: nothing; b: 1 to 5" in str(drawn["aria-label"]) for drawn in page.of("svg", "timeline")
    )
    assert len(page.of("img")) == len(items)
    assert all(image["loading"] == "lazy" for image in page.of("img"))
    for text in ("Controls", "single frame", "no box", "What could not be scored", "b less a"):
        assert text in page.text
    assert [run["name"] for run in numbers["runs"]] == ["a", "b"]


def test_scores_of_other_data_do_not_stand_beside_the_published_table(
    published: list[Path], tiny_world: Path, tmp_path: Path
) -> None:
    page, _, numbers = report_of(published, tmp_path / "report.html")
    assert f"Asked: world {tiny_world.name}. Answered by" in page.text
    assert f"Not shown: world {tiny_world.name} is not known to be the released PLM-VideoBench" in page.text
    assert not any(row.model in page.text for row in PUBLISHED)
    (source,) = numbers["runs"][0]["sources"].values()
    assert source == {"kind": "world", "directory": tiny_world.name, "format": None}
    assert str(tiny_world.parent) not in json.dumps(numbers)


@pytest.mark.parametrize(("form", "is_shown"), [("bench-sgqa", True), ("train-sgqa", False)])
def test_converted_files_of_the_benchmark_stand_beside_the_published_table(
    published: list[Path], tmp_path: Path, form: str, is_shown: bool
) -> None:
    def make(partial: Path) -> None:
        (partial / SCORES).write_text((published[0] / SCORES).read_text())
        write_records(partial / ROWS, [])

    recipe = {"settings": {"format": form}}
    data = artifact.build(tmp_path / "files", kind="dataset", recipe=recipe, make=lambda _: None)
    made = artifact.build(tmp_path / "run", kind="eval", recipe={}, make=make, inputs={"data": data})
    runs = read_runs([made])
    assert runs[0].is_plm_videobench is is_shown
    (section,) = published_table(runs)
    assert isinstance(section, PlainTable) is is_shown
    if isinstance(section, PlainTable):
        assert {row.model for row in PUBLISHED} <= {name for name, _ in section.rows}
    shutil.rmtree(data)  # what is not at hand is not known
    assert not read_runs([made])[0].is_plm_videobench


def test_results_hold_every_number_with_its_interval(published: list[Path], tmp_path: Path) -> None:
    _, _, found = report_of(published, tmp_path / "report.html")
    for directory, entry in zip(published, found["runs"], strict=True):
        scores = json.loads((directory / SCORES).read_text())
        manifest = artifact.read_manifest(directory)
        assert entry["digest"] == manifest.digest
        assert entry["datasets"] == {"data": manifest.inputs["data"].digest}
        assert entry["variants"] == list(SETTINGS.variants)
        assert entry["profile"] == "strict"
        for name, task in entry["tasks"].items():
            assert task["score"] == scores["tasks"][name]["score"]
            assert task["bounds"][0] <= task["bounds"][1]
            assert task["coverage"]["share"] == 1.0
            assert {"ci_low", "ci_high", "n", "parse_failures", "outcomes"} <= task.keys()
        assert entry["breakdown"]
    judged = found["runs"][1]
    assert judged["judge_identity"]["revision"] == "7"
    assert judged["tasks"]["rcap"]["judge"]["failed"] > 0
    (difference,) = found["differences"]
    assert (difference["a"], difference["b"]) == ("a", "b")
    assert any("judge" in warning for warning in difference["warnings"])
    compared = compare_runs(*published, anyway=True, num_examples=0).to_dict()
    assert {key: difference[key] for key in compared.keys() - {"a", "b"}} == {
        key: compared[key] for key in compared.keys() - {"a", "b"}
    }
    assert len(found["published"]["rows"]) == len(PUBLISHED)


def test_the_same_runs_give_the_same_bytes(published: list[Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        report_of(published, tmp_path / name / "report.html")
    for name in ("report.html", RESULTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_without_its_dataset_a_report_has_no_pictures_and_says_so(published: list[Path], tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "deep" / "a"
    shutil.copytree(published[0], moved)
    page, _, _ = report_of([moved], tmp_path / "report.html")
    assert not page.of("img")
    assert "the dataset is not where the evaluation found it" in page.text


def test_missing_media_are_said_beside_their_sample(published: list[Path], tiny_world: Path, tmp_path: Path) -> None:
    empty = tmp_path / "media"
    empty.mkdir()
    page, _, _ = report_of(published[:1], tmp_path / "report.html", media=empty)
    assert not page.of("img")
    assert "there is no such file" in page.text
    assert str(tmp_path) not in re.sub(r"No picture: \S+", "", page.text)


def test_rows_without_a_score_and_no_rows_at_all(published: list[Path], tmp_path: Path) -> None:
    """An evaluation in which nothing was scored is still shown: as what could not be scored."""

    def make(partial: Path) -> None:
        scores = json.loads((published[0] / SCORES).read_text())
        tasks = {"sgqa": scores["tasks"]["sgqa"] | {"score": None, "ci_low": None, "ci_high": None, "n": 0}}
        (partial / SCORES).write_text(json.dumps(scores | {"tasks": tasks, "average": None}))
        write_records(partial / ROWS, [])

    bare = artifact.build(tmp_path / "bare", kind="eval", recipe={}, make=make)
    page, _, found = report_of([bare], tmp_path / "report.html")
    assert not page.of("details", "item")
    assert not page.of("script")
    assert re.search(r"sgqa\s+–\s+nothing was scored\s+–", page.text)
    assert found["runs"][0]["tasks"]["sgqa"]["score"] is None


def test_the_page_says_what_a_score_is_not_of(published: list[Path], tmp_path: Path) -> None:
    (one, _, _), (both, _, _) = (report_of(runs, tmp_path / "report.html") for runs in (published[1:], published))
    line = "rcap: 4 of 5 questions have no answer that could be scored (unscored 4; most often: judge: unreadable)"
    assert line in one.text
    assert f"b: {line}" in both.text
    assert "a: rcap" not in both.text  # all of its answers were scored
    assert "were asked" not in both.text


def test_what_is_shown_is_the_worst_and_some_others(make_row: Callable[..., Row]) -> None:
    rows = [make_row("rcap", number, score=number / 99) for number in range(100)]
    rows += [make_row("rcap", 100 + number, score=None) for number in range(9)]
    found = choose(rows, "rcap", 20)
    scores = [row.score.score for row in found]
    assert scores[:15] == [number / 99 for number in range(15)]
    assert scores[15:20] == sorted(scores[15:20], key=lambda value: value or 0.0)  # spread over the rest
    assert (scores[15], scores[19]) == (15 / 99, 1.0)
    assert scores[20:] == [None] * 5
    assert choose(rows, "sgqa", 20) == choose([], "rcap", 20) == choose(rows, "rcap", 0) == []


def test_outcomes_and_gists_in_words(make_row: Callable[..., Row]) -> None:
    assert [outcome_of(make_row("rcap", 0, score=score)) for score in (0.0, 0.5, 1.0, None)] == [
        "wrong", "partly right", "right", "unscored",
    ]  # fmt: skip
    failed = make_row("rcap", 0, score=0.0).model_copy()
    failed = failed.model_copy(update={"score": failed.score.model_copy(update={"parse_failed": True})})
    assert outcome_of(failed) == "not read"
    located = make_row("rtloc", 0, score=0.0, prompt="... of when 'The dog's\nball rolls' happens in the video.")
    assert gist_of(located) == "The dog's\nball rolls"
    assert gist_of(make_row("rdcap", 0, score=0.0)) == "Surely."


def test_what_cannot_be_reported_is_refused(published: list[Path], tiny_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="twice"):
        read_runs([published[0], published[0]])
    with pytest.raises(ArtifactError):
        read_runs([tiny_world])
    runs = read_runs(published[:1])
    with pytest.raises(UsageError, match="is no name for the page"):
        write_report(runs, tmp_path / RESULTS)
    with pytest.raises(UsageError, match="at most 8"):
        write_report(runs * 9, tmp_path / "report.html")


def test_the_command(published: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "page.html"
    places = [str(path) for path in published]
    assert run(["eval", "report", *places, "--out", str(out), "--samples", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((out.parent / RESULTS).read_text())
    assert len(HtmlReader(out.read_text()).of("details", "item")) == 6
    rows = list(read_records(published[0] / ROWS, Row))
    assert rows

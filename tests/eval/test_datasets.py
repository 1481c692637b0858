"""Questions of several datasets with their own media, as `plm data convert` wrote them; and answers from a file."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.data.converters.convert import convert
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.errors import ArtifactError, ConfigError, DataError, UsageError
from perceptlm.eval.datasets import EvalData, collector_past_records, collector_paused, load_questions
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_lines, write_records
from perceptlm.media.write_video import write_video

SETTINGS = EvalSettings(num_frames=4, variants=("own",), num_resamples=50)
VIDEOS = ("sav_000001.mp4", "sav_000002.mp4")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two videos, and rows of FGQA, RTLoc and RDCap in the released format, converted."""
    root = tmp_path_factory.mktemp("released")
    (root / "media").mkdir()
    for number, name in enumerate(VIDEOS):
        write_video(root / "media" / name, np.full((12, 32, 48, 3), 60 + 90 * number, np.uint8), 6)
    boxes = [{"video": name, "masklet_id": 1, "bbox": {str(f): [4, 4, 20, 20] for f in range(12)}} for name in VIDEOS]
    write_records(root / "boxes.jsonl", boxes)
    region = {"masklet_id": 1, "total_frames": 12}
    event = {"start_frame": 3, "end_frame": 9, "caption": "The dog turns."}
    metadata = {"source_video_id": "v", "source_dataset": "S", "source_start_time": 0.0, "source_end_time": 2.0,
                "question_type": "count", "source_domain": "cooking"}  # fmt: skip
    rows: dict[str, list[dict[str, Any]]] = {
        "bench-rtloc": [{"uid": n, "video": name} | region | event for n, name in enumerate(VIDEOS)],
        "bench-rdcap": [
            {"uid": n, "video": name, "dense_captions": [event]} | region for n, name in enumerate(VIDEOS)
        ],
        "bench-fgqa": [
            {"uid": f"u{n}", "qa_uid": f"g{n}", "video": name, "question": "Which?", "answer": "left",
             "options": {"option_0": "left", "option_1": "right"}, "answer_index": 0, "metadata": metadata}
            for n, name in enumerate(VIDEOS)
        ],
    }  # fmt: skip
    for name, lines in rows.items():
        write_records(root / f"{name}.jsonl", lines)
        regions = None if name == "bench-fgqa" else root / "boxes.jsonl"
        sources = Sources((root / f"{name}.jsonl",), media=root / "media", boxes=regions)
        convert(root / name, sources, settings_for(name, sources), index=False)
    return {name: root / name for name in rows} | {"media": root / "media"}


def data_of(released: dict[str, Path], *names: str, media: Path | None = None) -> list[EvalData]:
    return [EvalData(released[f"bench-{name}"], media) for name in names]


def answer(request: Any) -> str:
    return "[1, 3]" if "start and end frame" in request.turns[-1].text else "(A)"


def test_several_released_tasks_are_one_evaluation(released, fake_client, tmp_path) -> None:
    client = fake_client(answer)
    out = evaluate(client, data_of(released, "fgqa", "rtloc", "rdcap"), tmp_path / "out", SETTINGS)
    tasks = json.loads((out / "scores.json").read_text())["tasks"]
    assert list(tasks) == ["fgqa", "rtloc", "rdcap"]
    assert tasks["fgqa"]["score"] == 1.0
    assert tasks["rtloc"]["score"] == 1.0
    # Nothing to learn a constant answer from: it is left out, not called 0.
    assert set(tasks["rtloc"]["baselines"]) == {"chance", "oracle"}
    assert [request.id.split(".")[0] for request in client.asked] == ["bench-fgqa"] * 2 + [
        "bench-rtloc",
        "bench-rdcap",
    ] * 2
    manifest = artifact.read_manifest(out)
    assert {name: entry.kind for name, entry in manifest.inputs.items()} == dict.fromkeys(
        ("data", "data_2", "data_3"), "dataset"
    )
    shown = {request.media[0].pictures[0].shape for request in client.asked}
    assert shown == {(32, 48, 3)}


def test_only_some_tasks(released, fake_client, tmp_path) -> None:
    settings = SETTINGS.model_copy(update={"tasks": ("rtloc",)})
    out = evaluate(fake_client(answer), data_of(released, "fgqa", "rtloc"), tmp_path / "out", settings)
    assert {row["row"] for _, row in read_lines(out / "rows.jsonl")} == {"rtloc"}
    with pytest.raises(DataError, match=r"no question to ask: .* holds fgqa"):
        load_questions(data_of(released, "fgqa"), settings)
    with pytest.raises(ConfigError, match="tasks"):
        run_settings(["fgqa", "speech"])


def run_settings(tasks: Sequence[str]) -> EvalSettings:
    from perceptlm.config import parse

    return parse(EvalSettings, {"num_frames": 4, "tasks": tasks})


def test_media_may_lie_elsewhere(released, fake_client, tmp_path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    with pytest.raises(DataError, match=r"every media file is missing; .*sav_000002.mp4.*no such file"):
        evaluate(fake_client(answer), data_of(released, "rtloc", media=moved), tmp_path / "out", SETTINGS)
    for name in VIDEOS:
        (moved / name).write_bytes((released["media"] / name).read_bytes())
    evaluate(fake_client(answer), data_of(released, "rtloc", media=moved), tmp_path / "out", SETTINGS)
    with pytest.raises(UsageError, match="there is no such directory"):
        evaluate(fake_client(answer), [EvalData(released["bench-rtloc"], tmp_path / "no")], tmp_path / "o", SETTINGS)


def test_what_is_no_dataset_or_twice_the_same_is_refused(released, fake_client, tmp_path) -> None:
    twice = data_of(released, "rtloc", "rtloc")
    with pytest.raises(UsageError, match="named twice"):
        evaluate(fake_client(answer), twice, tmp_path / "out", SETTINGS)
    with pytest.raises(UsageError, match="nothing to ask"):
        evaluate(fake_client(answer), [], tmp_path / "out", SETTINGS)
    other = artifact.build(tmp_path / "other", kind="model", recipe={}, make=lambda _: None)
    with pytest.raises(ArtifactError, match="kind 'model'"):
        evaluate(fake_client(answer), [EvalData(other)], tmp_path / "out", SETTINGS)
    copied = artifact.build(
        tmp_path / "copy",
        kind="dataset",
        recipe={"copy": 1},
        make=lambda partial: _copy_records(released["bench-rtloc"], partial),
    )
    with pytest.raises(DataError, match=r"two records have the id bench-rtloc\.0"):
        load_questions([*data_of(released, "rtloc"), EvalData(copied, released["media"])], SETTINGS)


def _copy_records(source: Path, partial: Path) -> None:
    (partial / "benchmark").mkdir()
    for path in (source / "benchmark").glob("*.jsonl"):
        (partial / "benchmark" / path.name).write_bytes(path.read_bytes())


@pytest.fixture
def command(released: dict[str, Path], tmp_path: Path) -> Callable[..., int]:
    def make(*options: object, tasks: Sequence[str] = ("fgqa", "rtloc")) -> int:
        data = [part for task in tasks for part in ("--data", str(released[f"bench-{task}"]))]
        return run(["eval", "run", *data, "--num-frames", "4", "--out", str(tmp_path / "out"), *map(str, options)])

    return make


def write_predictions(path: Path, texts: dict[str, str]) -> Path:
    write_records(path, [{"id": name, "text": text} for name, text in texts.items()])
    return path


def test_predictions_are_scored_and_gaps_are_said(command, released, tmp_path, capsys, monkeypatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("a video was opened")

    monkeypatch.setattr("perceptlm.eval.frame_cache.decode_frames", decode)
    texts = {"bench-fgqa.u0": "(A)", "bench-fgqa.u1": "(B)", "bench-rtloc.0": "[1, 3]", "bench-rtloc.9": "[0, 1]"}
    path = write_predictions(tmp_path / "p.jsonl", texts)
    assert command("--predictions", path, "--model-name", "mine", "--json") == 0
    said = capsys.readouterr()
    scores = json.loads(said.out)
    assert scores["model"]["name"] == "mine"
    assert scores["tasks"]["fgqa"]["score"] == 0.5
    assert scores["tasks"]["rtloc"]["outcomes"] == {"value": 1, "unscored": 0, "error": 1}
    assert scores["tasks"]["rtloc"]["score"] == 1.0
    assert scores["tasks"]["rtloc"]["bounds"] == [0.5, 1.0]
    assert "1 of 4 asked for and not predicted, such as own: bench-rtloc.1" in said.err
    assert "1 of 4 predicted and not asked for, such as own: bench-rtloc.9" in said.err
    record = json.loads((tmp_path / "out" / "run" / "predictions.json").read_text())
    gaps = {"missing": ["own: bench-rtloc.1"], "extra": ["own: bench-rtloc.9"]}
    assert record == gaps | {"num_asked": 4, "num_predicted": 4}
    assert artifact.verify(tmp_path / "out") == []


def test_rows_of_an_evaluation_are_predictions_too(released, fake_client, tmp_path, capsys) -> None:
    settings = SETTINGS.model_copy(update={"variants": ("own", "zero"), "max_error_share": 0.5})
    client = fake_client(answer)
    client.failing = frozenset({"bench-fgqa.u1"})
    evaluate(client, data_of(released, "fgqa", "rtloc"), tmp_path / "first", settings)
    data = [part for task in ("fgqa", "rtloc") for part in ("--data", str(released[f"bench-{task}"]))]
    options = ["--predictions", str(tmp_path / "first" / "rows.jsonl"), "--num-frames", "4", "--out"]
    assert run(["eval", "run", *data, *options, str(tmp_path / "again"), "--variants", "own,zero"]) == 0
    rows = [list(read_lines(tmp_path / name / "rows.jsonl")) for name in ("first", "again")]
    assert rows[0] == rows[1]
    assert "asked for" not in capsys.readouterr().err


def test_answers_to_another_number_of_frames_are_refused(command, tmp_path, capsys) -> None:
    rows = [{"id": "bench-rtloc.0", "text": "[0, 1]", "num_frames": 8}, {"id": "bench-rtloc.1", "text": "[0, 1]"}]
    write_records(tmp_path / "p.jsonl", rows)
    assert command("--predictions", tmp_path / "p.jsonl") == 2
    said = capsys.readouterr().err
    assert "these answers were given to 8 frames, and would be scored for 4" in said
    assert "--num-frames 8" in said
    assert not (tmp_path / "out").exists()
    assert command("--predictions", tmp_path / "p.jsonl", "--num-frames", "8") == 0


def test_asking_now_and_scoring_later(command, tmp_path, capsys) -> None:
    path = write_predictions(tmp_path / "p.jsonl", {"bench-fgqa.u0": "(A)"})
    assert command("--predictions", path, "--generate-only", "--json") == 0
    assert "unfinished" in json.loads(capsys.readouterr().out)
    assert not (tmp_path / "out").exists()
    assert command("--predictions", path, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["num_requests"], plan["model"]["num_requests"]) == (4, 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no predictions"),
        (["[]"], "p.jsonl:1: expected an object"),
        (['{"text": "x"}'], "p.jsonl:1: names no id"),
        (['{"id": "a"}'], "p.jsonl:1: is no prediction"),
        (['{"id": "a", "text": "x", "num_frames": "8"}'], "p.jsonl:1: is no prediction"),
        (['{"id": "a", "text": "x"}', '{"id": "a", "text": "y"}'], "p.jsonl:2: a second prediction for a"),
        (['{"id": "a", "text": "x"}'], "predicts nothing that is asked, but such as 'own: a'"),
        (['{"id": "a", "text": "x", "variant": "zero"}'], "holds no predictions of the variant 'own', only of zero"),
    ],
)
def test_bad_predictions_are_one_sentence(lines, message, command, tmp_path, capsys) -> None:
    (tmp_path / "p.jsonl").write_text("".join(line + "\n" for line in lines))
    assert command("--predictions", tmp_path / "p.jsonl") != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--predictions", "p", "--endpoint", "http://x/v1", "--model-name", "m"], "give one of"),
        (["--backend", "transformers", "--predictions", "p"], "--backend transformers goes with --model"),
        (["--model", "m", "--model-name", "n"], "--model-name is of --endpoint or --predictions"),
        (["--score-only", "--generate-only"], "two different commands"),
        (["--score-only"], "leave --num-frames out"),
        (["--predictions", "p", "--media", "a", "--media", "b", "--media", "c"], "3 --media for 2 --data"),
        (["--predictions", "p", "--shard", "3/2"], "'3/2' is no share of the work"),
        (["--predictions", "p", "--profile", "loose"], "profile"),
    ],
)
def test_options_that_do_not_go_together(options, message, command, capsys) -> None:
    assert command(*options) != 0
    assert message in capsys.readouterr().err


def test_the_collector_works_again_after_records_were_kept_from_it() -> None:
    with collector_past_records(), collector_paused():
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0

"""An export of labels is taken as it is: `plm train adapt` learns from it, `plm eval run` asks its test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from released_items import BOX, asset_of, released_item

from perceptlm.annotate.export.export import export_release
from perceptlm.annotate.export.released import ExportSettings
from perceptlm.cli.main import run
from perceptlm.data.source import Source
from perceptlm.media.write_video import write_video


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release about twelve short videos and two pictures."""
    folder = tmp_path_factory.mktemp("labels")
    (folder / "media").mkdir()
    rows = []
    for number in range(12):
        frames = np.full((10, 48, 64, 3), 20 * number, np.uint8)
        frames[:, 10:30, 4 * (number % 4) : 4 * (number % 4) + 20] = 255 - 10 * number
        path = folder / "media" / f"{number}.mp4"
        write_video(path, frames, 5)
        asset, boxes = asset_of(path), dict.fromkeys(range(2, 8), BOX)
        rows.append(released_item(f"{number}", asset, recording=f"take {number}", evidence={"start": 2, "end": 8}))
        changes = {"recording": f"take {number}", "evidence": {"start": 2, "end": 8}, "boxes": boxes}
        rows.append(released_item(f"{number}.box", asset, boxes_are="question", **changes))
    for number in range(2):
        path = folder / "media" / f"still{number}.png"
        Image.fromarray(np.full((40, 56, 3), 90 + number, np.uint8)).save(path)
        rows.append(released_item(f"still{number}", asset_of(path), recording=f"still {number}"))
    out = folder / "out"
    counts = export_release(rows, folder / "media", out, ExportSettings(held_out=0.4))
    assert counts.num_test_questions > 1
    return out


def test_training_reads_it(demo: Path, export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Source.open("own", export, "train")
    units = [source.unit(number).read() for number in range(len(source))]
    assert all(len({sample.media for sample in unit}) == 1 for unit in units)
    assert max(map(len, units)) >= 3  # a question and its pairs look at the same pictures
    command = [
        "train",
        "adapt",
        "--start",
        demo / "sft",
        "--data",
        export,
        "--out",
        tmp_path / "out",
        "--held-out",
        0.3,
    ]
    steps = ["--set", "num_steps=2", "--set", "validation.every=2"]
    assert run([*map(str, command), *steps, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "checkpoint"
    assert not (tmp_path / "out/dropped.jsonl").is_file() or not (tmp_path / "out/dropped.jsonl").read_text()


def test_evaluation_asks_its_test(demo: Path, export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "run", "--data", export, "--model", demo / "sft", "--tasks", "fgqa", "--out", tmp_path / "eval"]
    assert run([*map(str, command), "--variants", "own", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    counts = json.loads((export / "counts.json").read_text())
    assert json.dumps(scores).count("fgqa")
    rows = [json.loads(line) for line in next((tmp_path / "eval").glob("rows*.jsonl")).read_text().splitlines()]
    assert len(rows) == counts["num_test_pairs"]
    assert all(row["score"] is not None for row in rows)

"""`plm annotate export` from a file of rows, and what it says of wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from frame_corpus import Case, make
from released_items import asset_of, released_item

from perceptlm.cli.main import run
from perceptlm.exchange.jsonl import write_records


def test_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "media").mkdir()
    videos = [make(tmp_path / "media", Case(f"{name}.mp4", gop=gop)) for name, gop in (("a", 12), ("b", 8))]
    rows = [released_item(video.name[0], asset_of(video.path), recording=f"room {video.name[0]}") for video in videos]
    write_records(tmp_path / "rows.jsonl", rows)
    command = [
        "annotate",
        "export",
        "--rows",
        tmp_path / "rows.jsonl",
        "--media",
        tmp_path / "media",
        "--held-out",
        "0.3",
    ]
    assert run([*map(str, command), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "2 rows, 3 samples to train on" in shown
    assert "the test: 1 questions, 2 pairs" in shown
    assert "people score 66.7" in shown
    assert run([*map(str, command), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_test_pairs"] == 2
    assert run([*map(str, command), "--out", str(tmp_path / "x"), "--formats", "samples,parquet"]) == 1
    assert "formats" in capsys.readouterr().err
    text = (tmp_path / "rows.jsonl").read_text().replace('"posterior"', '"posteriour"')
    (tmp_path / "rows.jsonl").write_text(text)
    assert run([*map(str, command), "--out", str(tmp_path / "x")]) == 1
    assert "rows.jsonl:1: unknown key 'lineage.posteriour' (did you mean 'posterior'?)" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()

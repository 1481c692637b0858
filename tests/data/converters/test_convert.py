"""The driver: shards, drops, a killed run that goes on, and what the command says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perceptlm.artifact import read_manifest, verify
from perceptlm.cli.main import run
from perceptlm.data.converters import convert as driver
from perceptlm.data.converters.convert import convert, preview, read_counts
from perceptlm.data.converters.formats import FORMATS, settings_for
from perceptlm.data.converters.settings import ConvertSettings, Sources
from perceptlm.data.row_index import RowIndex
from perceptlm.errors import ArtifactError, DataError
from perceptlm.exchange.jsonl import read_lines

ORIGIN = "program:test:1:CC0-1.0"


def talk(number: int, image: str | None = None) -> dict[str, Any]:
    said = [{"from": "human", "value": f"{number}?"}, {"from": "gpt", "value": "Yes."}]
    return {"conversations": said} | ({} if image is None else {"image": image})


@pytest.fixture
def sources(write_rows: Any, media: Path) -> Sources:
    """Two files of ten rows; rows 3 and 14 name files that are not there."""
    rows = [talk(number, "absent.png" if number in (3, 14) else "a.png") for number in range(20)]
    return Sources((write_rows(rows[:10], "one.jsonl"), write_rows(rows[10:], "two.json")), media)


@pytest.fixture
def settings(sources: Sources) -> ConvertSettings:
    return settings_for("llava", sources, origin=ORIGIN, samples_per_shard=7)


def contents(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in read_manifest(directory).outputs}


def test_shards_drops_and_counts(sources: Sources, settings: ConvertSettings, tmp_path: Path) -> None:
    out = convert(tmp_path / "out", sources, settings, max_dropped=0.1)
    assert verify(out) == []
    assert sorted(read_manifest(out).outputs) == [
        "counts.json", "dropped.jsonl", *(f"train/samples-0000{number}.jsonl" for number in range(3)),
    ]  # fmt: skip
    shards = [[line["id"] for _, line in read_lines(out / f"train/samples-0000{number}.jsonl")] for number in range(3)]
    assert [len(shard) for shard in shards] == [7, 7, 4]
    kept = [*(f"llava.0.{row}" for row in range(10) if row != 3), *(f"llava.1.{row}" for row in range(10) if row != 4)]
    assert [name for shard in shards for name in shard] == kept
    assert [line for _, line in read_lines(out / "dropped.jsonl")] == [
        {"file": "one.jsonl", "row": 3, "reason": "no such media file", "detail": "absent.png"},
        {"file": "two.json", "row": 4, "reason": "no such media file", "detail": "absent.png"},
    ]
    assert read_counts(out) == {
        "format": "llava", "split": "train", "num_shards": 3, "num_rows": 20, "num_samples": 18, "num_dropped": 2,
        "reasons": {"no such media file": 2}, "tasks": {"image_qa": 18}, "flags": {},
    }  # fmt: skip
    assert json.loads((out / "run/convert.json").read_text())["media_root"] == str(sources.media)
    assert str(tmp_path).encode() not in (out / "manifest.json").read_bytes()
    assert convert(out, sources, settings, max_dropped=0.1) == out


def test_the_index_is_a_cache_beside_what_is_published(
    sources: Sources, settings: ConvertSettings, tmp_path: Path
) -> None:
    out = convert(tmp_path / "out", sources, settings, max_dropped=1, index=False)
    digest = read_manifest(out).digest
    with pytest.raises(DataError, match="cannot be read"):
        RowIndex.open(out, "train")
    convert(out, sources, settings, max_dropped=1)  # the same command, not told not to, builds it
    index = RowIndex.open(out, "train")
    assert index.num_rows == 18
    assert index.sample(17).id == "llava.1.9"
    assert (verify(out), read_manifest(out).digest) == ([], digest)


@pytest.mark.parametrize("killed_at", [1, 3, 4, 8, 9, 15, 19])
def test_a_killed_run_goes_on_to_the_same_bytes(
    sources: Sources, settings: ConvertSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    whole = contents(convert(tmp_path / "whole", sources, settings, max_dropped=1))
    monkeypatch.setattr(driver, "_ROWS_PER_MARK", 4)
    seen: list[int] = []
    convert_row: Callable[..., Any] = driver._convert_row

    def killed(converter: Any, place: Any) -> Any:
        if len(seen) == killed_at:
            raise KeyboardInterrupt
        seen.append(1)
        return convert_row(converter, place)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "_convert_row", killed)
        with pytest.raises(KeyboardInterrupt):
            convert(tmp_path / "out", sources, settings, max_dropped=1)
    partial = tmp_path / "out.partial"
    (partial / "train/samples-00009.jsonl").write_bytes(b"of an even later moment\n")

    def counted(converter: Any, place: Any) -> Any:
        seen.append(1)
        return convert_row(converter, place)

    monkeypatch.setattr(driver, "_convert_row", counted)
    assert contents(convert(tmp_path / "out", sources, settings, max_dropped=1)) == whole
    assert len(seen) == 20 + killed_at % 4  # only rows after the last mark are converted again
    assert not partial.exists()


def test_a_run_killed_after_its_counts_is_only_published(
    sources: Sources, settings: ConvertSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("perceptlm.artifact.publish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            convert(tmp_path / "out", sources, settings, max_dropped=1)
    (tmp_path / "out.partial/.mark.json").write_text("{}")
    monkeypatch.setattr(driver, "_convert_row", lambda *_: pytest.fail("converted again"))
    out = convert(tmp_path / "out", sources, settings, max_dropped=1)
    assert read_counts(out)["num_samples"] == 18
    assert not (out / ".mark.json").exists()


def test_too_many_drops_stop_the_run_and_keep_what_was_written(
    sources: Sources, settings: ConvertSettings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for _ in range(2):  # the same command stops at the same place
        with pytest.raises(DataError) as caught:
            convert(out, sources, settings)
        assert caught.value.message == (
            "1 of the first 4 rows of 20 make no sample, more than --max-dropped 0.01 of all: no such media file (1)"
        )
    assert len(list(read_lines(tmp_path / "out.partial/train/samples-00000.jsonl"))) == 3
    assert read_counts(convert(out, sources, settings, max_dropped=0.1))["num_samples"] == 18


def test_drops_of_the_last_row_stop_the_run_too(write_rows: Any, media: Path, tmp_path: Path) -> None:
    sources = Sources((write_rows([talk(0), talk(1, "absent.png")], "rows.jsonl"),), media)
    settings = settings_for("llava", sources, origin=ORIGIN)
    for _ in range(2):
        with pytest.raises(DataError, match="1 of the first 2 rows"):
            convert(tmp_path / "out", sources, settings)


def test_nothing_to_convert(write_rows: Any, media: Path, tmp_path: Path) -> None:
    sources = Sources((write_rows([talk(0, "absent.png")], "rows.jsonl"),), media)
    with pytest.raises(DataError, match=r"none of 1 rows makes a sample: no such media file \(1\)"):
        convert(tmp_path / "out", sources, settings_for("llava", sources, origin=ORIGIN), max_dropped=1)
    sources = Sources((write_rows([], "none.json"),), media)
    with pytest.raises(DataError, match=r"none\.json: holds no rows"):
        convert(tmp_path / "none", sources, settings_for("llava", sources, origin=ORIGIN))


def test_other_rows_are_another_dataset(
    sources: Sources, settings: ConvertSettings, tmp_path: Path, write_rows: Any
) -> None:
    convert(tmp_path / "out", sources, settings, max_dropped=1)
    write_rows([talk(number) for number in range(10)], "one.jsonl")
    with pytest.raises(ArtifactError, match="made from another recipe"):
        convert(tmp_path / "out", sources, settings, max_dropped=1)


def test_ids_already_used_are_noticed_by_a_run_that_goes_on(
    write_rows: Any, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"uid": "7", "video": "cut.mp4", "question": "What is it?", "answer": "A cup.", "domain": "kitchen"}
    sources = Sources((write_rows([row, {**row, "uid": "8"}, row]),), media)
    settings = settings_for("bench-sgqa", sources)
    monkeypatch.setattr(driver, "_ROWS_PER_MARK", 1)
    convert_row: Callable[..., Any] = driver._convert_row
    with monkeypatch.context() as patch:
        patch.setattr(driver, "_convert_row", lambda c, p: convert_row(c, p) if p.number < 2 else pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            convert(tmp_path / "out", sources, settings, max_dropped=1)
    counts = read_counts(convert(tmp_path / "out", sources, settings, max_dropped=1))
    assert (counts["num_samples"], counts["reasons"]) == (2, {"id was already used": 1})


def test_a_preview_reads_few_rows_and_writes_nothing(
    sources: Sources, settings: ConvertSettings, tmp_path: Path
) -> None:
    found = preview(sources, settings, num_rows=12)
    assert (found.num_rows, found.num_all_rows, found.num_samples) == (12, 20, 11)
    assert (found.reasons, found.details) == ({"no such media file": 1}, {"no such media file": "absent.png"})
    assert found.first is not None
    assert found.first.id == "llava.0.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.jsonl", "two.json"]


def test_the_command(sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["data", "convert", "llava", *map(str, sources.inputs), "--out", str(out), "--media", str(sources.media)]
    command += ["--origin", ORIGIN]
    assert run([*command, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"would convert 20 rows into {out}/train\nof the first 20, 18 make a sample\n")
    assert "dropped, no such media file: 2 (the first: absent.png)" in shown
    assert '"id": "llava.0.0"' in shown
    assert not out.exists()
    assert run([*command, "--max-dropped", "0.1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {out}: 18 samples of 20 rows", "  image_qa: 18", "  dropped, no such media file: 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--split", "test"], "--split is one of train, validation, benchmark, not 'test'"),
        (["--split", "benchmark"], "not converted into the split 'benchmark'"),
        (["--clips", "whole"], "--clips is one of source, cut"),
        (["--task", "rcap"], "cannot be converted to the task 'rcap'"),
        (["--task", "dance"], "--task is one of"),
        (["--regions", "none"], "format llava has no regions"),
        (["--regions", "masklets"], "--regions masklets and --masklets DIR go together"),
        (["--column", "video"], "'video' is not FIELD=COLUMN"),
        (["--column", "video=x"], "the columns of format llava are known"),
        (["--video", "{video"], "is not a pattern of file names"),
        (["--media", "absent"], "absent: there is no such directory"),
    ],
)
def test_arguments_that_mean_nothing(
    sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: list[str], message: str
) -> None:
    command = ["data", "convert", "llava", str(sources.inputs[0]), "--out", str(tmp_path / "out"), "--origin", ORIGIN]
    assert run([*command, *changes]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_every_format_is_named_in_the_help_and_an_unknown_one_in_the_error(
    sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "convert", "coco", str(sources.inputs[0]), "--out", str(tmp_path / "out")]) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert "there is no format 'coco'" in err
    for name in FORMATS:
        assert name in err

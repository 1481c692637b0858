"""Rows with a benchmark's media are left out of a conversion, by source, bytes and looks, however many there are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perceptlm.artifact import read_manifest
from perceptlm.cli.main import run
from perceptlm.data.converters import convert as driver
from perceptlm.data.converters.convert import EXCLUDED, convert, preview, read_counts
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.errors import ArtifactError, DataError, UsageError
from perceptlm.exchange.jsonl import read_lines, read_records
from perceptlm.media.image import write_png
from perceptlm.media.write_video import write_video
from perceptlm.schema import Sample

ORIGIN = "program:test:1:CC0-1.0"


def picture(seed: int, shift: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Soft patches of the seed, moved to the side."""
    patches = np.random.default_rng(seed).integers(30, 225, (5, 6, 3), np.uint8)
    large = Image.fromarray(patches).resize((80, 64), Image.Resampling.BICUBIC)
    return np.roll(np.asarray(large), shift, 1)


def talk(name: str) -> dict[str, Any]:
    said = [{"from": "human", "value": f"{name}?"}, {"from": "gpt", "value": "Yes."}]
    return {"conversations": said, "video" if name.endswith("mp4") else "image": name}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Return the media of training, and a benchmark about picture 0, a copy of 1, and clip 2 in other bytes."""
    root = tmp_path_factory.mktemp("exclude")
    training, shown, benchmark = root / "training", root / "shown", root / "benchmark"
    for folder in (training, shown):
        folder.mkdir()
    for seed in range(5):
        write_png(training / f"{seed}.png", picture(seed))
        frames = np.stack([picture(10 + seed, 2 * frame) for frame in range(8)])
        write_video(training / f"{seed}.mp4", frames, 8, quality=18)
        if seed == 2:
            write_video(shown / "c.mp4", frames, 8, quality=30)
    Image.fromarray(picture(0)).resize((70, 60)).save(shown / "a.jpg", quality=60)
    shutil.copy(training / "1.png", shown / "b.png")
    rows = root / "benchmark.jsonl"
    rows.write_text("".join(json.dumps(talk(name)) + "\n" for name in ("a.jpg", "b.png", "c.mp4")))
    sources = Sources((rows,), shown)
    convert(benchmark, sources, settings_for("llava", sources, origin=ORIGIN, split="validation"))
    return training, shown, benchmark


@pytest.fixture
def sources(places: tuple[Path, Path, Path], write_rows: Any) -> Sources:
    training, shown, benchmark = places
    names = [f"{seed}.{ending}" for seed in range(5) for ending in ("png", "mp4")]
    return Sources((write_rows([talk(name) for name in names], "rows.jsonl"),), training, None, None, benchmark, shown)


def test_rows_are_left_out_with_the_reason_and_are_never_too_many(sources: Sources, tmp_path: Path) -> None:
    settings = settings_for("llava", sources, origin=ORIGIN)
    out = convert(tmp_path / "out", sources, settings, max_dropped=0)
    assert read_counts(out)["reasons"] == {EXCLUDED: 3}
    kept = [sample.media[0].path for sample in read_records(out / "train/samples-00000.jsonl", Sample)]
    assert kept == ["0.mp4", "1.mp4", "2.png", "3.png", "3.mp4", "4.png", "4.mp4"]
    details = {line["row"]: line["detail"] for _, line in read_lines(out / "dropped.jsonl")}
    assert sorted(details) == [0, 2, 5]
    assert details[0].startswith("0.png looks like the benchmark's a.jpg (")
    assert details[2] == "1.png has the bytes of the benchmark's b.png"
    assert details[5].startswith("2.mp4 looks like the benchmark's c.mp4 (")
    assert preview(sources, settings).reasons == {EXCLUDED: 3}
    (benchmark,) = read_manifest(out).recipe["exclude"]
    assert benchmark["name"] == "samples-00000.jsonl"
    # Without the benchmark it is another dataset.
    with pytest.raises(ArtifactError, match="another recipe"):
        convert(out, Sources(sources.inputs, sources.media), settings)


def test_other_drops_still_stop_the_run(sources: Sources, write_rows: Any, tmp_path: Path) -> None:
    rows = write_rows([talk("0.png"), talk("1.png"), talk("absent.png"), talk("3.png")], "few.jsonl")
    few = Sources((rows,), sources.media, None, None, sources.exclude, sources.exclude_media)
    with pytest.raises(DataError) as caught:
        convert(tmp_path / "out", few, settings_for("llava", few, origin=ORIGIN), max_dropped=0.1)
    assert caught.value.message.startswith("1 of the first 3 rows of 4 make no sample")
    assert f"{EXCLUDED} (2)" in caught.value.message


def test_a_killed_run_goes_on_to_the_same_bytes(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for("llava", sources, origin=ORIGIN)
    whole = convert(tmp_path / "whole", sources, settings)
    monkeypatch.setattr(driver, "_ROWS_PER_MARK", 3)
    original = driver._convert_row

    def killed(converter: Any, place: Any) -> Any:
        if place.number == 7:
            raise KeyboardInterrupt
        return original(converter, place)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "_convert_row", killed)
        with pytest.raises(KeyboardInterrupt):
            convert(tmp_path / "out", sources, settings)
    out = convert(tmp_path / "out", sources, settings)
    assert read_manifest(out).digest == read_manifest(whole).digest


def test_bad_requests(sources: Sources, places: tuple[Path, Path, Path], tmp_path: Path) -> None:
    settings = settings_for("llava", sources, origin=ORIGIN)
    with pytest.raises(UsageError, match="no --exclude names one"):
        convert(tmp_path / "out", Sources(sources.inputs, sources.media, exclude_media=places[1]), settings)
    own = convert(tmp_path / "own", Sources(sources.inputs, sources.media), settings)
    with pytest.raises(UsageError, match="holds training data only"):
        convert(tmp_path / "out", Sources(sources.inputs, sources.media, exclude=own), settings)
    assert not (tmp_path / "out").exists()


def test_the_command(sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "convert", "llava", str(sources.inputs[0]), "--media", str(sources.media), "--origin", ORIGIN]
    command += ["--exclude", str(sources.exclude), "--exclude-media", str(sources.exclude_media), "--no-index"]
    assert run([*command, "--out", str(tmp_path / "out")]) == 0
    assert f"dropped, {EXCLUDED}: 3" in capsys.readouterr().out
    assert not (tmp_path / "out/train/index").exists()


def test_decontaminate_finds_what_exclude_leaves_out(
    sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = convert(
        tmp_path / "plain", Sources(sources.inputs, sources.media), settings_for("llava", sources, origin=ORIGIN)
    )
    clean = convert(tmp_path / "clean", sources, settings_for("llava", sources, origin=ORIGIN))
    against = ["--against", str(sources.exclude), "--benchmark-media", str(sources.exclude_media)]
    command = ["data", "decontaminate", str(plain), *against, "--media", str(sources.media)]
    assert run(command) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("train/samples-00000.jsonl:1: llava.0.0: 0.png looks like the benchmark's a.jpg (")
    assert lines[-1] == "3 records with one of the benchmark's 3 media"
    assert run([*command, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [match["id"] for match in found["matches"]] == ["llava.0.0", "llava.0.2", "llava.0.5"]
    command[2] = str(clean)
    assert run(command) == 0
    assert capsys.readouterr().out == "0 records with one of the benchmark's 3 media\n"
    # A benchmark has nothing to train on; media that are not there are not passed over.
    assert run(["data", "decontaminate", str(sources.exclude), *against]) == 2
    assert "has no split 'train'" in capsys.readouterr().err
    assert run(["data", "decontaminate", str(clean), *against]) == 1
    assert "0.mp4" in capsys.readouterr().err

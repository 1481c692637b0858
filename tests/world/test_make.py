"""Making a world: same bytes whatever the workers and interruptions, files checked, drops counted and bounded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from perceptlm import artifact
from perceptlm.errors import ArtifactError, DataError, UsageError
from perceptlm.exchange.jsonl import read_lines, read_records
from perceptlm.media.video import read_frames
from perceptlm.schema import Sample
from perceptlm.world import make as make_module
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.make import make_world, read_summary
from perceptlm.world.make_clip import MadeClip
from perceptlm.world.render import render
from perceptlm.world.samples import samples_of_split
from perceptlm.world.settings import WorldSettings

SETTINGS = WorldSettings(
    num_clips=20, num_validation_clips=2, num_benchmark_clips=6,
    num_images=6, num_validation_images=2, num_benchmark_images=4,
)  # fmt: skip
SMALL = SETTINGS.model_copy(update={"num_clips": 3, "num_benchmark_clips": 2, "num_images": 1})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world") / "world", SETTINGS, 7, num_workers=1)


def digest(directory: Path) -> str:
    return artifact.read_manifest(directory).digest


def test_a_world_is_whole(world: Path) -> None:
    assert artifact.verify(world) == []
    assert not (world / "chunks").exists()
    summary = read_summary(world)
    assert summary["num_dropped"] == 0
    for split, num in (("train", 20), ("validation", 2), ("benchmark", 6)):
        records = list(read_records(world / split / "scenes.jsonl", ClipRecord))
        samples = list(read_records(world / split / "samples.jsonl", Sample))
        assert summary[split]["num_videos"] == num == sum(record.media.kind == "video" for record in records)
        assert sum(summary[split]["num_samples"].values()) == len(samples)
        assert {sample.split for sample in samples} == {split}
        assert samples_of_split(records, 7) == samples
        for record in records:
            assert (world / record.media.path).is_file()


def test_files_hold_the_frames_their_records_speak_of(world: Path) -> None:
    for record in read_records(world / "benchmark" / "scenes.jsonl", ClipRecord):
        media, scene = record.media, record.scene
        if media.kind == "video":
            decoded = read_frames(world / media.path, range(media.num_frames))
            assert decoded.shape == (media.num_frames, media.height, media.width, 3)
            assert np.abs(decoded.astype(int) - render(scene).frames).mean() < 6


def test_splits_share_no_video_and_no_background(world: Path) -> None:
    backgrounds = [
        {record.scene.background for record in read_records(world / split / "scenes.jsonl", ClipRecord)}
        for split in ("train", "validation", "benchmark")
    ]
    assert not backgrounds[0] & backgrounds[1]
    assert not backgrounds[0] & backgrounds[2]
    assert not backgrounds[1] & backgrounds[2]


def test_workers_do_not_change_a_byte(world: Path, tmp_path: Path) -> None:
    assert digest(make_world(tmp_path / "two", SETTINGS, 7, num_workers=2)) == digest(world)


def test_another_seed_is_another_world_and_does_not_overwrite(tmp_path: Path) -> None:
    out = make_world(tmp_path / "world", SMALL, 1, num_workers=1)
    first = digest(out)
    with pytest.raises(ArtifactError, match="another recipe, seed or input"):
        make_world(out, SMALL, 2, num_workers=1)
    assert digest(make_world(out, SMALL, 2, num_workers=1, overwrite=True)) != first


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from perceptlm.world import make
from perceptlm.world.settings import WorldSettings

real, made = make.make_clip, []

def make_clip(*arguments):
    if len(made) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    made.append(arguments)
    return real(*arguments)

make.make_clip = make_clip
make.make_world(Path(sys.argv[1]), WorldSettings.model_validate_json(sys.argv[2]), 7, num_workers=1)
"""


def test_a_killed_run_goes_on_and_ends_the_same(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "world"
    command = [sys.executable, "-c", KILLED_RUN, str(out), SETTINGS.model_dump_json(), "18"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not out.exists()
    assert [path.name for path in (tmp_path / "world.partial" / "chunks").iterdir()] == ["train-video-000000.jsonl"]
    real, made = make_module.make_clip, []

    def count(*arguments: object) -> MadeClip:
        made.append(arguments)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(make_module, "make_clip", count)
    make_world(out, SETTINGS, 7, num_workers=1)
    assert len(made) == 40 - 16
    assert digest(out) == digest(world)


def test_workers_end_with_the_run_that_is_killed(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from perceptlm.world.make import make_world;"
        "from perceptlm.world.settings import WorldSettings; import sys\n"
        "if __name__ == '__main__':\n"
        "    make_world(Path(sys.argv[1]), WorldSettings(num_clips=400), 7, num_workers=2)"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path / "world")])
    chunks = tmp_path / "world.partial" / "chunks"
    deadline = time.monotonic() + 60
    while not list(chunks.glob("*.jsonl")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    time.sleep(1.5)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_dropped_clips_are_kept_with_their_reason_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = make_module.make_clip

    def fail(root: Path, settings: WorldSettings, split: str, kind: str, index: int, seed: int) -> MadeClip:
        if split == "train" and kind == "video" and index in failing:
            return MadeClip(f"clip-{index}", None, reason="its file is bad")
        return real(root, settings, split, kind, index, seed)

    monkeypatch.setattr(make_module, "make_clip", fail)
    failing = {4}
    out = make_world(tmp_path / "one", SETTINGS, 7, num_workers=1)
    dropped = [line for _, line in read_lines(out / "dropped.jsonl")]
    assert dropped == [{"id": "clip-4", "split": "train", "kind": "video", "reason": "its file is bad"}]
    assert read_summary(out)["num_dropped"] == 1
    failing = {4, 5}
    with pytest.raises(DataError, match="2 of 20 train videos failed their checks; the first: its file is bad"):
        make_world(tmp_path / "two", SETTINGS, 7, num_workers=1)
    assert not (tmp_path / "two").exists()


def test_a_file_that_differs_from_what_was_drawn_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from perceptlm.world import make_clip as clip_module

    def wrong(path: Path, indices: range) -> np.ndarray:
        return 255 - read_frames(path, indices)

    monkeypatch.setattr(clip_module, "read_frames", wrong)
    (tmp_path / "train/videos").mkdir(parents=True)
    made = clip_module.make_clip(tmp_path, SETTINGS, "train", "video", 0, 7)
    assert made.record is None
    assert "differs from what was drawn" in (made.reason or "")
    assert list((tmp_path / "train/videos").iterdir()) == []


def test_masks_are_written_when_asked_for(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"write_masks": True})
    out = make_world(tmp_path / "world", settings, 7, num_workers=1)
    records = list(read_records(out / "train" / "scenes.jsonl", ClipRecord))
    lines = [line for _, line in read_lines(out / "train" / "masks.jsonl")]
    assert [line["id"] for line in lines] == [record.scene.id for record in records]
    for line, record in zip(lines, records, strict=True):
        assert [set(map(int, track)) for track in line["masks"]] == [set(track) for track in record.boxes]


def test_workers_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        make_world(tmp_path / "world", SMALL, 0, num_workers=0)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from perceptlm.cli.main import run

    out = str(tmp_path / "world")
    arguments = ["world", "make", "--out", out, "--clips", "3", "--images", "1", "--workers", "1", "--json"]
    assert run([*arguments, "--dry-run"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["num_videos"] == 5
    assert plan["num_bytes"] > 0
    assert not Path(out).exists()
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["train"]["num_videos"] == 3
    assert run([*arguments, "--seed", "9"]) == 1
    assert "another recipe, seed or input" in capsys.readouterr().err

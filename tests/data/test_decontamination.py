"""Decontamination: the benchmark's media are known again by source, by bytes and by looks, and others are not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from perceptlm.data import decontamination
from perceptlm.data.decontamination import (
    BenchmarkMedia,
    Fingerprint,
    difference_hash,
    find_contaminated,
    fingerprint_benchmark,
    fingerprint_file,
    read_benchmark,
    read_fingerprints,
    write_fingerprints,
)
from perceptlm.errors import DataError, MediaError, UsageError
from perceptlm.exchange.jsonl import write_records
from perceptlm.media.image import write_png
from perceptlm.media.video import Video
from perceptlm.media.write_video import write_video
from perceptlm.schema import MediaRef, Sample

SIDE = 96


def picture(seed: int, shift: int = 0) -> NDArray[np.uint8]:
    """Return soft patches and a few discs, all of the seed; `shift` moves the discs."""
    draw = np.random.default_rng(seed)
    low = Image.fromarray(draw.integers(30, 225, (5, 6, 3), np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(low)
    for _ in range(4):
        x, y, size = [*draw.integers(0, SIDE, 2).tolist(), int(draw.integers(8, 24))]
        pen.ellipse((x + shift, y, x + size + shift, y + size), fill=tuple(draw.integers(0, 256, 3).tolist()))
    return np.asarray(low)


def clip(seed: int, num_frames: int = 12) -> NDArray[np.uint8]:
    return np.stack([picture(seed, 2 * frame) for frame in range(num_frames)])


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten clips and pictures; the first four of each are the benchmark's. `again/` has all of them in other bytes."""
    root = tmp_path_factory.mktemp("media")
    (root / "again").mkdir()
    for seed in range(10):
        write_video(root / f"{seed}.mp4", clip(seed), 8, quality=18)
        write_video(root / f"again/{seed}.mp4", clip(seed), 8, quality=34)
        write_png(root / f"{seed}.png", picture(seed))
        Image.fromarray(picture(seed)).resize((70, 70)).save(root / f"again/{seed}.jpg", quality=40)
    return root


@pytest.fixture
def make_row(make_sample: Callable[..., Sample]) -> Callable[..., Sample]:
    def make(id: str, *paths: str, cluster: str | None = None, split: str = "train") -> Sample:
        items = tuple(
            MediaRef(kind="video" if path.endswith("mp4") else "image", path=path, width=SIDE, height=SIDE)
            for path in paths
        )
        values: dict[str, Any] = {"media": items, "cluster": cluster or id, "split": split}
        return make_sample(id).model_copy(update=values)

    return make


@pytest.fixture(scope="module")
def fingerprints(media: Path) -> list[Fingerprint]:
    return [
        fingerprint_file(media / f"{seed}.{ending}", kind, name=f"{seed}.{ending}", sources=[f"source {seed}"])  # type: ignore[arg-type]
        for seed in range(4)
        for ending, kind in (("mp4", "video"), ("png", "image"))
    ]


def test_the_benchmark_is_known_again_and_other_media_are_not(
    media: Path, fingerprints: list[Fingerprint], make_row: Callable[..., Sample]
) -> None:
    known = BenchmarkMedia(fingerprints)
    for seed in range(10):
        for path in (f"{seed}.mp4", f"{seed}.png", f"again/{seed}.mp4", f"again/{seed}.jpg"):
            reason = known.matches(make_row("a", path), media)
            if seed >= 4:
                assert reason is None
                continue
            name = f"{seed}.mp4" if path.endswith("mp4") else f"{seed}.png"
            if "again" in path:
                assert reason is not None
                assert reason.startswith(f"{path} looks like the benchmark's {name} (")
            else:
                assert reason == f"{path} has the bytes of the benchmark's {name}"


def test_a_source_is_enough(media: Path, fingerprints: list[Fingerprint], make_row: Callable[..., Sample]) -> None:
    row = make_row("a", "7.mp4", cluster="source 2")
    reason = BenchmarkMedia(fingerprints).matches(row, media)
    assert reason is not None
    assert reason.startswith("its source 'source 2' is that of the benchmark's 2.")
    assert BenchmarkMedia(fingerprints, compare_sources=False).matches(row, media) is None
    assert BenchmarkMedia(fingerprints).matches(make_row("b", cluster="x"), media) is None  # text alone


def test_any_of_several_media_counts(
    media: Path, fingerprints: list[Fingerprint], make_row: Callable[..., Sample]
) -> None:
    reason = BenchmarkMedia(fingerprints).matches(make_row("a", "8.png", "again/1.jpg"), media)
    assert reason is not None
    assert "looks like the benchmark's 1.png" in reason


def test_the_distance_is_a_parameter(
    media: Path, fingerprints: list[Fingerprint], make_row: Callable[..., Sample]
) -> None:
    row = make_row("a", "again/1.mp4")
    assert BenchmarkMedia(fingerprints, max_distance=0).matches(row, media) is None
    assert BenchmarkMedia(fingerprints, max_distance=31.9).matches(make_row("b", "9.mp4"), media) is not None
    for wrong in (-1, 32, float("nan")):
        with pytest.raises(UsageError, match="is not in 0 to 32"):
            BenchmarkMedia(fingerprints, max_distance=wrong)


def test_pictures_without_contrast_do_not_look_alike(
    tmp_path: Path, fingerprints: list[Fingerprint], make_row: Callable[..., Sample]
) -> None:
    black, grey = np.zeros((SIDE, SIDE, 3), np.uint8), np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert difference_hash(black) is None
    write_png(tmp_path / "black.png", black)
    write_png(tmp_path / "grey.png", grey)
    found = fingerprint_file(tmp_path / "black.png", "image", name="black")
    known = BenchmarkMedia([*fingerprints, found])
    assert known.matches(make_row("a", "grey.png"), tmp_path) is None
    same = known.matches(make_row("a", "black.png"), tmp_path)
    assert same == "black.png has the bytes of the benchmark's black"
    # Two clips that begin in the dark have the rest to be told by; mostly dark ones cannot be told.
    for name, num_dark, seed in (("a", 4, 1), ("b", 4, 2), ("c", 11, 1), ("d", 11, 2)):
        frames = clip(seed)
        frames[:num_dark] = 0
        write_video(tmp_path / f"{name}.mp4", frames, 8)
        write_video(tmp_path / f"{name}-again.mp4", frames, 8, quality=30)
    for name, wanted in (("a", True), ("c", False)):
        known = BenchmarkMedia([fingerprint_file(tmp_path / f"{name}.mp4", "video", name=name)])
        assert (known.matches(make_row("x", f"{name}-again.mp4"), tmp_path) is not None) is wanted
        other = chr(ord(name) + 1)
        assert known.matches(make_row("x", f"{other}.mp4"), tmp_path) is None


def test_a_hash_is_fixed_for_good() -> None:
    ramp = np.broadcast_to(np.arange(90, dtype=np.uint8)[None, :, None], (80, 90, 3)).copy()
    assert difference_hash(ramp) == "f" * 16
    assert difference_hash(ramp[:, ::-1].copy()) == "0" * 16
    half = ramp.copy()
    half[40:] = half[40:, ::-1]
    assert difference_hash(half) == "f" * 8 + "0" * 8


def test_short_videos_are_fingerprinted_whole(tmp_path: Path) -> None:
    write_video(tmp_path / "short.mp4", clip(1, 2), 8)
    assert len(fingerprint_file(tmp_path / "short.mp4", "video", name="short").hashes) == 2


def test_files_are_written_and_read(tmp_path: Path, fingerprints: list[Fingerprint]) -> None:
    path = tmp_path / "fingerprints.jsonl"
    write_fingerprints(path, fingerprints)
    assert read_fingerprints(path) == fingerprints
    assert path.stat().st_size < 400 * len(fingerprints)
    path.write_text(path.read_text().replace('"sha256":"', '"sha256":"x', 1))
    with pytest.raises(DataError, match=r"fingerprints.jsonl:1: 'sha256'"):
        read_fingerprints(path)
    path.write_text("")
    with pytest.raises(DataError, match="holds no fingerprints"):
        read_fingerprints(path)


def test_contaminated_rows_of_a_dataset_are_found(
    media: Path, tmp_path: Path, make_row: Callable[..., Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = [make_row(f"b{seed}-{n}", f"{seed}.mp4", cluster=f"s{seed}") for seed in range(4) for n in range(2)]
    benchmark = [row.model_copy(update={"split": "benchmark"}) for row in benchmark]
    train = [make_row(f"t{seed}-{n}", f"again/{seed}.mp4", cluster="own") for seed in range(2, 7) for n in range(3)]
    train.append(make_row("cut", "9.mp4", cluster="s0"))
    for split, rows in (("benchmark", benchmark), ("train", train)):
        (tmp_path / split).mkdir()
        write_records(tmp_path / split / "samples.jsonl", rows)
    found = fingerprint_benchmark(read_benchmark(tmp_path), media)
    assert [(item.name, item.sources) for item in found] == [(f"{seed}.mp4", (f"s{seed}",)) for seed in range(4)]
    decoded: list[Path] = []

    class CountingVideo(Video):
        def __init__(self, path: Path) -> None:
            decoded.append(path)
            super().__init__(path)

    monkeypatch.setattr(decontamination, "Video", CountingVideo)
    matches = list(find_contaminated(tmp_path, media, BenchmarkMedia(found)))
    assert [match.place for match in matches] == [f"train/samples.jsonl:{line}" for line in (1, 2, 3, 4, 5, 6, 16)]
    assert matches[5].id == "t3-2"
    assert "looks like the benchmark's 3.mp4" in matches[5].reason
    assert matches[6].reason.startswith("its source 's0'")
    assert len(decoded) == 5  # each file once, whatever asks


def test_media_that_cannot_be_read_stop_the_check(
    media: Path, tmp_path: Path, fingerprints: list[Fingerprint], make_row: Callable[..., Sample]
) -> None:
    known = BenchmarkMedia(fingerprints)
    (tmp_path / "torn.png").write_bytes((media / "1.png").read_bytes()[:500])
    (tmp_path / "inside").mkdir()
    shutil.copy(media / "9.png", tmp_path / "out.png")
    (tmp_path / "inside/link.png").symlink_to(tmp_path / "out.png")
    for name, root, message in [
        ("torn.png", tmp_path, r"torn.png"),
        ("missing.png", tmp_path, "there is no such file"),
        ("link.png", tmp_path / "inside", "leads outside"),
    ]:
        with pytest.raises(MediaError, match=message):
            known.matches(make_row("a", name), root)

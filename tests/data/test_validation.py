"""Validation: all that is wrong with a directory, each with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perceptlm.data.validation import validate
from perceptlm.exchange.jsonl import encode_line, write_records
from perceptlm.media.image import write_png
from perceptlm.schema import MediaRef, Sample

Make = Callable[..., Sample]
Write = Callable[..., Path]


def problems(root: Path, **options: object) -> list[str]:
    return [str(problem) for problem in validate(root, **options).problems]  # type: ignore[arg-type]


def test_a_good_directory(write_dataset: Write, make_sample: Make) -> None:
    calls: list[int] = []
    root = write_dataset(train=[make_sample("a"), make_sample("b", clip=1)])
    found = validate(root, each=lambda: calls.append(1))
    assert (found.num_problems, found.num_records, found.num_media, len(calls)) == (0, {"train": 2}, 2, 2)


def test_every_problem_is_listed_with_its_place(write_dataset: Write, make_sample: Make) -> None:
    elsewhere = make_sample("d").model_copy(update={"split": "validation"})
    bad = encode_line(make_sample("c")).replace(b'"cluster"', b'"clutser"')
    root = write_dataset(train=[make_sample("a"), b"nonsense\n", bad, elsewhere, make_sample("a", clip=1), b"\n"])
    (root / "train/videos/1.mp4").unlink()
    first, second, third, fourth, fifth = problems(root)
    assert first.startswith("train/samples.jsonl:2: not a JSON line")
    assert second.startswith("train/samples.jsonl:3: ")
    assert "unknown key 'clutser' (did you mean 'cluster'?)" in second
    assert third == "train/samples.jsonl:4: sample d belongs to split 'validation'"
    assert fourth == "train/samples.jsonl:5: id a was already used in samples.jsonl:1"
    assert fifth == "train/samples.jsonl:5: train/videos/1.mp4: there is no such file"


def test_more_problems_are_counted_than_kept(write_dataset: Write, make_sample: Make) -> None:
    found = validate(write_dataset(train=[make_sample("a"), *[b"{}\n"] * 30]), limit=3)
    assert (found.num_problems, len(found.problems)) == (30, 3)


def test_ids_are_unique_over_the_shards_of_a_split_only(tmp_path: Path, make_sample: Make) -> None:
    for split, shard, ids in (("train", 0, "ab"), ("train", 1, "cb"), ("validation", 0, "a")):
        (tmp_path / split / "videos").mkdir(parents=True, exist_ok=True)
        records = [make_sample(id).model_copy(update={"split": split}) for id in ids]
        write_records(tmp_path / split / f"samples-{shard}.jsonl", records)
    (tmp_path / "train/videos/0.mp4").touch()
    assert problems(tmp_path) == ["train/samples-1.jsonl:2: id b was already used in samples-0.jsonl:2"]


def test_a_folder_that_is_no_split(write_dataset: Write, make_sample: Make) -> None:
    root = write_dataset(training=[make_sample("a")])
    assert problems(root) == ["training/samples.jsonl:1: there is no split 'training' (train, validation, benchmark)"]


def test_no_path_leaves_the_directory(write_dataset: Write, make_sample: Make, tmp_path: Path) -> None:
    root = write_dataset(train=[make_sample("a")])
    (tmp_path / "secret.mp4").touch()
    (root / "train/videos/0.mp4").unlink()
    (root / "train/videos/0.mp4").symlink_to(tmp_path / "secret.mp4")
    assert problems(root) == [
        f"train/samples.jsonl:1: train/videos/0.mp4: leads outside the dataset's directory {root}"
    ]


def test_media_may_lie_elsewhere(write_dataset: Write, make_sample: Make, tmp_path: Path) -> None:
    root = write_dataset(train=[make_sample("a")])
    (root / "train/videos").rename(tmp_path / "moved")
    (tmp_path / "media/train").mkdir(parents=True)
    (tmp_path / "moved").rename(tmp_path / "media/train/videos")
    assert len(problems(root)) == 1
    assert problems(root, media_root=tmp_path / "media") == []


def test_decoding_finds_what_is_not_what_it_says(write_dataset: Write, make_sample: Make) -> None:
    def picture(name: str, width: int) -> MediaRef:
        return MediaRef(kind="image", path=f"train/{name}.png", width=width, height=8)

    right, wrong, broken = picture("good", 8), picture("good", 9), picture("broken", 8)
    media = {"a": right, "b": right, "c": wrong, "d": broken, "e": broken}
    root = write_dataset(train=[make_sample(id).model_copy(update={"media": (item,)}) for id, item in media.items()])
    write_png(root / right.path, np.zeros((8, 8, 3), np.uint8))
    assert problems(root) == []
    found = validate(root, decode=True)
    lines = [str(problem) for problem in found.problems]
    assert lines[0].startswith("train/samples.jsonl:3: train/good.png: holds 1 picture(s) of 8x8, but its record says")
    assert lines[1].startswith("train/samples.jsonl:4: train/broken.png: ")
    assert lines[2].startswith("train/samples.jsonl:5: train/broken.png: ")
    assert (found.num_decoded, len(lines)) == (3, 3)


def test_to_dict_names_the_same(write_dataset: Write, make_sample: Make) -> None:
    values = validate(write_dataset(train=[b"[]\n"])).to_dict()
    assert values["problems"] == [
        {"file": "train/samples.jsonl", "line": 1, "message": "expected an object, found list"}
    ]


@pytest.mark.parametrize("name", ["samples.jsonl", "samples-00.jsonl"])
def test_an_empty_file_is_a_split_without_records(tmp_path: Path, name: str) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / name).touch()
    assert validate(tmp_path).num_records == {"train": 0}

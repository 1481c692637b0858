"""Profiles: exact counts and quantiles, and a page that shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm.data.dataset_files import has_pairs, read_located
from perceptlm.data.distribution import Distribution
from perceptlm.data.listings import validation_lines
from perceptlm.data.profile import Profile, profile
from perceptlm.data.profile_page import profile_lines, write_profile
from perceptlm.data.validation import validate
from perceptlm.schema import MediaRef, Sample, Turn

Make = Callable[..., Sample]
Write = Callable[..., Path]


@pytest.fixture
def found(write_dataset: Write, make_sample: Make) -> Profile:
    clip = MediaRef(
        kind="video", path="train/v.mp4", width=64, height=48, num_frames=45, frames_per_second="30000/1001"
    )
    pictures = tuple(MediaRef(kind="image", path=f"train/{i}.png", width=8, height=6) for i in range(2))
    turns = (Turn(role="user", text="one two three"), Turn(role="assistant", text="four five"))
    many = [make_sample(f"c{i}").model_copy(update={"media": (clip,), "turns": turns}) for i in range(3)]
    images = make_sample("i", "mcq").model_copy(update={"media": pictures})
    text = make_sample("t").model_copy(update={"media": ()})
    root = write_dataset(train=[make_sample("a", boxed=True), *many, images, text, b"{}\n"])
    return profile(read_located(root))


def test_counts(found: Profile) -> None:
    counts = found.to_dict()["counts"]
    assert (found.num_records, found.num_unreadable) == (7, 1)
    assert counts["task"] == {"video_qa": 5, "mcq": 1}
    assert counts["media"] == {"video": 4, "images": 1, "text only": 1}
    assert counts["size"] == {"64x48": 3, "8x6": 2, "8x8": 1}
    assert counts["origin"] == {"program: test @ 1": 6}
    assert counts["licence"] == {"CC0-1.0": 6}
    assert next(iter(counts["media"])) == "video"


def test_rejected_answers_are_counted(write_dataset: Write, make_sample: Make) -> None:
    judged = make_sample("b").model_copy(update={"rejected": "Another."})
    root = write_dataset(train=[make_sample("a"), judged], validation=[make_sample("c")])
    found = profile(read_located(root))
    assert found.to_dict()["num_pairs"] == 1
    assert profile_lines(found)[0] == "3 records; 1 have a rejected answer beside the one given"
    checked = validate(root)
    assert checked.to_dict()["num_pairs"] == 1
    assert "records, 1 with a rejected answer;" in validation_lines(checked)[-1]
    assert has_pairs(root, "train")
    assert not has_pairs(root, "validation")
    assert not has_pairs(root, "benchmark")


def test_distributions(found: Profile) -> None:
    def values(name: str) -> dict[str, float]:
        return found.distributions[name].summary()

    assert (values("question words")["median"], values("question words")["max"], values("answer words")["max"]) == (
        1,
        3,
        2,
    )
    assert values("frames") == {"num": 4, "min": 4, "p5": 4, "median": 45, "mean": 34.75, "p95": 45, "max": 45}
    assert (values("seconds")["num"], values("seconds")["median"]) == (3, 1.5)
    assert (values("regions")["num"], values("regions")["max"]) == (6, 1)
    assert values("media items")["max"] == 2
    assert (values("questions per media")["num"], values("questions per media")["max"]) == (3, 3)


def test_lines_and_page(found: Profile, tmp_path: Path) -> None:
    lines = profile_lines(found)
    assert lines[0].startswith("7 records, of which 1 are no valid Samples")
    assert any(line.split()[:2] == ["video_qa", "5"] for line in lines)
    page, numbers = write_profile(tmp_path / "new" / "out", found, "<b>mine</b>")
    html = page.read_text(encoding="utf-8")
    assert "<b>mine" not in html
    assert html.count("data:image/svg+xml") == 9
    assert "http" not in html.replace("http-equiv", "")
    assert json.loads(numbers.read_text(encoding="utf-8")) == json.loads(json.dumps(found.to_dict()))


def test_an_empty_profile_can_be_shown(tmp_path: Path) -> None:
    empty = profile([])
    assert profile_lines(empty)[0] == "0 records"
    assert write_profile(tmp_path, empty, "none")[0].is_file()
    assert empty.to_dict()["distributions"]["frames"] == {"num": 0}


def test_quantiles_are_exact() -> None:
    values = Distribution()
    for value in range(1, 101):
        values.add(value)
    assert values.summary() == {"num": 100, "min": 1, "p5": 5, "median": 50, "mean": 50.5, "p95": 95, "max": 100}
    assert (values.quantile(0), values.quantile(1)) == (1, 100)
    with pytest.raises(ValueError, match="without values"):
        Distribution().quantile(0.5)


def test_bins_hold_every_value_and_the_tail_is_in_the_last() -> None:
    values = Distribution()
    values.add(2, times=500)
    values.add(4, times=498)
    values.add(10_000, times=2)
    edges, counts = values.bins()
    assert (edges, counts) == ([1.5, 2.5, 3.5, 4.5], [500, 0, 500])
    long = Distribution()
    for number in range(1000):
        long.add(number / 7)
    edges, counts = long.bins()
    assert (len(counts), len(edges), sum(counts)) == (30, 31, 1000)
    alone = Distribution()
    alone.add(3.25)
    assert sum(alone.bins()[1]) == 1

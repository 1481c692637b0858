"""Slices of an evaluation, worked out by hand, and reading them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perceptlm.errors import DataError
from perceptlm.eval.breakdown import BREAKDOWN, BYS, Slice, breakdown, read_breakdown, value_of, write_breakdown
from perceptlm.eval.outcomes import Row
from perceptlm.eval.settings import EvalSettings
from perceptlm.eval.summary import Unit

SETTINGS = EvalSettings(num_frames=8, variants=("own", "zero", "other"), num_resamples=100)
MakeRow = Callable[..., Row]


def of(slices: list[Slice], by: str) -> dict[str, Slice]:
    return {item.value: item for item in slices if item.by == by}


@pytest.fixture
def rows(make_row: MakeRow) -> list[Row]:
    """Four captions of four clips: two fast things answered well, two slow ones badly; one control is half right."""
    found = []
    for number, (speed, own, other) in enumerate(
        (("fast", 1.0, 0.0), ("fast", 0.8, 0.5), ("slow", 0.0, 1.0), ("slow", 0.2, 0.5))
    ):
        attributes = {"speed": speed, "num_things": 3 + number, "held_out": number == 0}
        for variant, score in (("own", own), ("zero", 0.0), ("other", other)):
            found.append(make_row("rcap", number, score=score, variant=variant, attributes=attributes))
    return found


def test_each_slice_has_its_score_and_the_baselines_on_the_same_items(rows: list[Row]) -> None:
    constant = [
        Unit(row.id, row.cluster, value, value, value)
        for row, value in zip(rows[::3], (0.1, 0.3, 0.5, 0.7), strict=True)
    ]
    slices = breakdown(rows, {"rcap": constant}, SETTINGS)
    assert list(of(slices, "speed")) == ["slow", "fast"]
    fast = of(slices, "speed")["fast"]
    assert (fast.row, fast.n, fast.score) == ("rcap", 2, pytest.approx(0.9))
    # Two clips say next to nothing: one degree of freedom.
    assert 0.0 <= fast.low < 0.5 < 0.9 <= fast.high <= 1.0
    assert (fast.blind, fast.blind_variant, fast.constant) == (0.25, "other", pytest.approx(0.2))
    assert list(of(slices, "num_things")) == ["3", "4", "5+"]
    assert of(slices, "num_things")["5+"].n == 2
    assert {value: item.n for value, item in of(slices, "held_out").items()} == {"held out": 1, "seen": 3}
    assert of(slices, "dimension")["what"].n == of(slices, "template")["rcap"].n == 4
    assert not of(slices, "occlusion")
    assert [item.by for item in slices] == sorted((item.by for item in slices), key=BYS.index)


def test_fgqa_is_counted_in_groups_and_unscored_items_in_none(make_row: MakeRow) -> None:
    rows = [
        make_row("fgqa", clip, part=part, score=score)
        for clip, scores in enumerate(((1.0, 1.0, 1.0), (1.0, 0.0, 1.0)))
        for part, score in enumerate(scores)
    ]
    rows.append(make_row("sgqa", 0, score=None))
    (slice_,) = of(breakdown(rows, {}, SETTINGS.model_copy(update={"variants": ("own",)})), "dimension").values()
    assert (slice_.row, slice_.n, slice_.score) == ("fgqa", 2, 0.5)
    assert (slice_.blind, slice_.blind_variant, slice_.constant) == (None, None, None)


@pytest.mark.parametrize(
    ("by", "recorded", "value"),
    [
        ("num_things", 5, "5+"), ("num_things", 4, "4"), ("num_events", 4, "4+"), ("num_events", 0, "0"),
        ("held_out", True, "held out"), ("held_out", False, "seen"), ("occlusion", "much", "much"),
    ],
)  # fmt: skip
def test_bins(by: Any, recorded: object, value: str, make_row: MakeRow) -> None:
    assert value_of(make_row("rcap", 0, score=0.0, attributes={by: recorded}), by) == value
    assert value_of(make_row("rcap", 0, score=0.0), by) is None


@pytest.mark.parametrize(
    ("by", "attribute", "measured", "value"),
    [
        ("clip_length", "clip_seconds", 4.99, "under 5 s"), ("clip_length", "clip_seconds", 5, "5 to 10 s"),
        ("clip_length", "clip_seconds", 60.0, "over 60 s"), ("box_size", "box_share", 0.0099, "under 1 %"),
        ("box_size", "box_share", 0.2, "over 20 %"), ("box_size", "box_share", "large", None),
    ],
)  # fmt: skip
def test_measured_bins(by: Any, attribute: str, measured: Any, value: str | None, make_row: MakeRow) -> None:
    row = make_row("rcap", 0, score=0.0, attributes={attribute: measured})
    assert value_of(row, by) == value


def test_bins_stand_in_their_natural_order_and_every_control_is_kept(make_row: MakeRow) -> None:
    rows = [
        make_row("rcap", clip, score=score, variant=variant, attributes={"clip_seconds": seconds})
        for clip, seconds in enumerate((70.0, 2.0, 12.0))
        for variant, score in (("own", 1.0), ("no_box", 0.25))
    ]
    settings = SETTINGS.model_copy(update={"variants": ("own", "no_box")})
    found = of(breakdown(rows, {}, settings), "clip_length")
    assert list(found) == ["under 5 s", "10 to 30 s", "over 60 s"]
    assert found["under 5 s"].variants == {"no_box": 0.25}
    assert found["under 5 s"].blind is None


def test_what_is_written_is_read_back(rows: list[Row], tmp_path: Path) -> None:
    slices = breakdown(rows, {}, SETTINGS)
    assert read_breakdown(tmp_path) == []
    write_breakdown(tmp_path, slices)
    assert read_breakdown(tmp_path) == slices
    write_breakdown(tmp_path, [])
    assert read_breakdown(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{}", '[{"row": "rcap"}]', '[{"row"'])
def test_a_damaged_breakdown_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / BREAKDOWN).write_text(text)
    with pytest.raises(DataError, match=BREAKDOWN):
        read_breakdown(tmp_path)

"""Blends on disk: rows counted exactly, and every missing part named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm.data.blend_counts import count_blend, describe_blend
from perceptlm.errors import ConfigError, DataError
from perceptlm.exchange.jsonl import write_records
from perceptlm.schema import Sample


@pytest.fixture
def blend(tmp_path: Path, make_sample: Callable[..., Sample]) -> Callable[[str], Path]:
    for name, split, count in (("a", "train", 7), ("b", "train", 3), ("b", "validation", 2)):
        (tmp_path / name / split).mkdir(parents=True)
        write_records(tmp_path / name / split / "samples-0.jsonl", [make_sample(f"{i}") for i in range(count)])

    def write(text: str) -> Path:
        (tmp_path / "blend.yaml").write_text(text)
        return tmp_path / "blend.yaml"

    return write


def test_rows_of_an_epoch_are_exact(blend: Callable[[str], Path]) -> None:
    path = blend(
        "sources:\n- {name: a, data: a, repeats: 0.5}\n- {name: b, data: b, media: a, repeats: 3}\n"
        "- {name: v, data: b, split: validation}\n"
    )
    counted = count_blend(path)
    assert [(item.rows, item.rows_per_epoch) for item in counted] == [(7, 3), (3, 9), (2, 2)]
    assert [item.share for item in counted] == pytest.approx([3 / 14, 9 / 14, 2 / 14])
    values = describe_blend(counted)
    assert (values["rows_per_epoch"], values["sources"][1]["media"]) == (14, "a")


def test_repeats_are_taken_as_written(blend: Callable[[str], Path]) -> None:
    # 3 x 0.1 would be less than a third of 1 in binary; 7 x 0.7 x 10 is 49 only in decimals.
    (item,) = count_blend(blend("sources: [{name: a, data: a, repeats: 4.9}]"))
    assert item.rows_per_epoch == 34


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("sources: []", ConfigError, "'sources': Tuple should have at least 1 item"),
        ("sources: [{name: a, data: a}, {name: a, data: b}]", ConfigError, "two sources are called 'a'"),
        ("sources: [{name: a, data: a, repeat: 2}]", ConfigError, "did you mean 'repeats'"),
        ("sources: [{name: a, data: a, repeats: 0}]", ConfigError, "repeats"),
        ("sources: [{name: x, data: none}]", DataError, "source 'x': .*none: there is no such directory"),
        ("sources: [{name: x, data: a, split: benchmark}]", DataError, "source 'x': .* has no split 'benchmark'"),
        ("sources: [{name: x, data: a, media: m}]", DataError, "source 'x': there is no directory .*m for its media"),
        ("sources: [{name: x, data: a, repeats: 0.1}]", DataError, "an epoch of this blend shows no rows"),
    ],
)
def test_what_is_wrong_is_named(blend: Callable[[str], Path], text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        count_blend(blend(text))

"""Sources: units read when asked for, some kept back by recording; an epoch of several shows each as it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm.data.plan import HeldOutPlan, SourcePlan
from perceptlm.data.row_index import build_index
from perceptlm.data.source import Source, keep_back, spread
from perceptlm.errors import ConfigError, DataError
from perceptlm.exchange.jsonl import write_records
from perceptlm.schema import Sample


@pytest.fixture
def make_source(tmp_path: Path, make_sample: Callable[..., Sample]) -> Callable[[str, int], Source]:
    def make(name: str, num_recordings: int) -> Source:
        (tmp_path / name / "train").mkdir(parents=True)
        samples = [
            make_sample(f"{name}-{number}-{part}").model_copy(update={"cluster": f"{name}-{number}"})
            for number in range(num_recordings)
            for part in range(2)
        ]
        samples = [
            sample.model_copy(update={"media": (sample.media[0].model_copy(update={"path": f"{sample.id}.png"}),)})
            for sample in samples
        ]
        write_records(tmp_path / name / "train" / "samples.jsonl", samples)
        build_index(tmp_path / name, "train")
        return Source.open(name, tmp_path / name, "train", tmp_path / "media")

    return make


def ids(units: object) -> list[str]:
    return [unit.read()[0].id for unit in units]  # type: ignore[attr-defined]


def test_no_recording_is_both_learnt_and_looked_at(make_source: Callable[[str, int], Source]) -> None:
    source = make_source("a", 60)
    learnt, kept = keep_back(source, 0.2, seed=3)
    clusters = [{unit.read()[0].cluster for unit in part.first(200)} for part in (learnt, kept)]
    assert not clusters[0] & clusters[1]
    assert len(clusters[0] | clusters[1]) == 60
    assert len(learnt) + len(kept) == len(source) == 120
    assert 4 <= len(clusters[1]) <= 22
    assert ids(keep_back(source, 0.2, seed=3)[1].first(5)) == ids(kept.first(5))
    assert ids(keep_back(source, 0.2, seed=4)[1].first(99)) != ids(kept.first(99))


def test_a_share_that_leaves_nothing_is_refused(make_source: Callable[[str, int], Source]) -> None:
    source = make_source("a", 2)
    with pytest.raises(ConfigError, match=r"source 'a': keeping back 1e-06 .* leaves none to look at \(4 units\)"):
        keep_back(source, 1e-6, seed=0)
    with pytest.raises(ConfigError, match="leaves none to learn from"):
        keep_back(source, 1 - 1e-9, seed=0)


def test_an_epoch_shows_every_unit_as_often_as_its_source_repeats(make_source: Callable[[str, int], Source]) -> None:
    plan = SourcePlan([make_source("a", 8), make_source("b", 3)], [1, 2.5], seed=1, num_units=4)
    seen = Counter(name for step in range(2 * (16 + 15) // 4) for name in ids(plan.units(step)))
    times = {name: Counter(seen[f"{name}-{n}-{part}"] for n in range(num) for part in range(2)) for name, num in
             (("a", 8), ("b", 3))}  # fmt: skip
    # 15 steps of 4 are two slots short of two epochs of 31.
    assert sum(seen.values()) == 60
    assert set(times["a"]) <= {1, 2}
    assert set(times["b"]) <= {4, 5}
    assert ids(plan.units(7)) == ids(plan.units(7))
    assert plan.units(0)[0].root.name == "media"


def test_held_out_units_come_in_order_and_once(make_source: Callable[[str, int], Source]) -> None:
    held = spread([make_source("a", 4), make_source("b", 4)], 5)
    assert [unit.source for unit in held] == ["a"] * 3 + ["b"] * 3
    plan = HeldOutPlan(held, 4)
    assert plan.num_steps == 2
    assert ids(plan.units(0)) + ids(plan.units(1)) == ids(held)


def test_a_source_without_an_index_says_so(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="index"):
        Source.open("x", tmp_path, "train")

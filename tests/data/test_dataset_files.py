"""Record files of a directory: splits, shards, their order, and what is no record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm.data.dataset_files import count_records, read_located, record_files
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import write_records
from perceptlm.schema import Sample

Make = Callable[..., Sample]


def test_shards_are_read_in_order_and_the_benchmark_first(tmp_path: Path, make_sample: Make) -> None:
    for name in ("train/samples-00001.jsonl", "train/samples-00000.jsonl", "benchmark/samples.jsonl", "notes/a.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_records(tmp_path / name, [make_sample(f"{name}.{i}") for i in range(2)])
    files = record_files(tmp_path)
    assert list(files) == ["benchmark", "train"]
    assert [path.name for path in files["train"]] == ["samples-00000.jsonl", "samples-00001.jsonl"]
    places = [record.place for record in read_located(tmp_path)]
    assert places[:3] == ["benchmark/samples.jsonl:1", "benchmark/samples.jsonl:2", "train/samples-00000.jsonl:1"]
    assert count_records(tmp_path) == {"benchmark": 2, "train": 4}
    assert [record.split for record in read_located(tmp_path, ["benchmark", "none"])] == ["benchmark", "benchmark"]


def test_what_is_no_sample_comes_with_the_reason(write_dataset: Callable[..., Path], make_sample: Make) -> None:
    root = write_dataset(train=[make_sample("a"), b"{}\n", make_sample("b")])
    kinds = [type(record.found).__name__ for record in read_located(root)]
    assert kinds == ["Sample", "DataError", "Sample"]


def test_a_directory_without_records(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no record files \(SPLIT/samples\.jsonl or SPLIT/samples-\*\.jsonl\)"):
        record_files(tmp_path)
    with pytest.raises(DataError, match="none: there is no such directory"):
        record_files(tmp_path / "none")

"""`plm data index`: every split or those named, once, and errors that say where."""

import json
from pathlib import Path

import pytest

from perceptlm.cli.main import run
from perceptlm.data.row_index import RowIndex
from perceptlm.exchange.jsonl import write_records
from perceptlm.schema import MediaRef, Origin, Sample, TextAnswer, Turn


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Six rows about two pictures in train, in two shards, and one row in validation."""
    for split, count in (("train", 6), ("validation", 1)):
        (tmp_path / split).mkdir()
        samples = [
            Sample(
                id=f"{split}-{number}", task="image_qa", split=split,
                media=(MediaRef(kind="image", path=f"{number // 3}.png", width=8, height=8),),
                turns=(Turn(role="user", text="q"), Turn(role="assistant", text="a")), answer=TextAnswer(text="a"),
                origin=Origin(kind="program", name="test", revision="1", licence="CC0-1.0"), cluster="c", template="t",
                dimension="what",
            )
            for number in range(count)
        ]  # fmt: skip
        for shard in range(-(-count // 3)):
            write_records(tmp_path / split / f"samples-{shard:05d}.jsonl", samples[3 * shard : 3 * shard + 3])
    return tmp_path


def test_every_split_is_indexed(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "index", str(dataset), "--workers", "2", "--max-branches", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{dataset}/train: 6 rows in 2 shards, 4 units of at most 2 rows",
        f"{dataset}/validation: 1 rows in 1 shards, 1 units of at most 2 rows",
    ]
    assert RowIndex.open(dataset, "train").num_units == 4
    before = (dataset / "train/index/index.json").stat().st_mtime_ns
    assert run(["data", "index", str(dataset), "--split", "train", "--max-branches", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["splits"] == {
        "train": {"num_rows": 6, "num_units": 4, "num_shards": 2, "max_branches": 2, "tasks": {"image_qa": 6}}
    }
    assert (dataset / "train/index/index.json").stat().st_mtime_ns == before


def test_errors_say_where(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "index", str(dataset), "--split", "benchmark"]) == 2
    assert "has no split 'benchmark'" in capsys.readouterr().err
    (dataset / "extra").mkdir()
    (dataset / "extra/samples.jsonl").touch()
    assert run(["data", "index", str(dataset)]) == 1
    assert "extra: is named as no split" in " ".join(capsys.readouterr().err.split())
    with open(dataset / "train/samples-00001.jsonl", "ab") as file:
        file.write(b"{}\n")
    assert run(["data", "index", str(dataset), "--split", "train"]) == 1
    assert "samples-00001.jsonl:4" in capsys.readouterr().err

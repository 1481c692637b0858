"""RowIndex: every row and unit as a plain read gives them, and a clear word on all that does not fit."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from perceptlm.artifact import list_files
from perceptlm.data import id_check, index_build, row_index, shard_scan
from perceptlm.data.grouping import SharedFields, group_key
from perceptlm.data.row_index import RowIndex, build_index
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import DataError, UsageError
from perceptlm.exchange.jsonl import encode_line
from perceptlm.schema import MediaRef, Sample, Turn

WriteShards = Callable[..., Path]


@pytest.fixture
def write_shards(tmp_path: Path) -> WriteShards:
    """Write each list of Samples (or lines) as a shard; a single one as samples.jsonl if asked."""

    def write(*shards: list[Sample | bytes], single: bool = False) -> Path:
        folder = tmp_path / "set/train"
        folder.mkdir(parents=True, exist_ok=True)
        for number, rows in enumerate(shards):
            name = "samples.jsonl" if single else f"samples-{number:05d}.jsonl"
            (folder / name).write_bytes(b"".join(r if isinstance(r, bytes) else encode_line(r) for r in rows))
        return tmp_path / "set"

    return write


@pytest.fixture
def samples(make_sample: Callable[..., Sample]) -> list[Sample]:
    """40 rows: clips of 1, 2, ... rows, some with a region or a system text of their own."""
    found = []
    for clip in range(1, 9):
        for number in range(clip):
            task = "rcap" if clip == 5 else "mcq" if number % 2 else "video_qa"
            system = "be short" if clip == 6 and number > 2 else None
            found.append(make_sample(f"{clip}-é-{number}", task, clip=clip, boxed=clip == 5, system=system))
    return found


def three_shards(write_shards: WriteShards, samples: list[Sample]) -> Path:
    return write_shards(samples[:7], samples[7:20], samples[20:])


def test_rows_are_what_was_written(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = three_shards(write_shards, samples)
    record = build_index(root, "train")
    index = RowIndex.open(root, "train")
    assert index.record == record
    assert index.num_rows == len(samples)
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    assert [index.sample(row) for row in order] == [samples[row] for row in order]
    assert [index.task(row) for row in range(len(samples))] == [sample.task for sample in samples]
    assert index.task_counts == Counter(sample.task for sample in samples)
    assert json.loads(index.raw(3)) == samples[3].to_dict()
    assert index.place(8) == (root / "train/samples-00001.jsonl", 2)


@pytest.mark.parametrize("max_branches", [1, 3, 8])
def test_units_are_runs_about_the_same_pictures(
    write_shards: WriteShards, samples: list[Sample], max_branches: int
) -> None:
    root = three_shards(write_shards, samples)
    build_index(root, "train", max_branches=max_branches)
    index = RowIndex.open(root, "train")
    expected = []
    for shard in (samples[:7], samples[7:20], samples[20:]):
        for _, run in groupby(shard, group_key):
            rows = list(run)
            expected += [tuple(rows[at : at + max_branches]) for at in range(0, len(rows), max_branches)]
    index.prefetch(range(index.num_units))
    assert [index.unit_samples(unit) for unit in range(index.num_units)] == expected
    assert [row for unit in range(index.num_units) for row in index.unit_rows(unit)] == list(range(index.num_rows))
    assert all(row in index.unit_rows(index.unit_of(row)) for row in range(index.num_rows))


def test_a_unit_lies_in_one_group_of_a_sample_set(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = write_shards(samples, single=True)
    build_index(root, "train")
    index = RowIndex.open(root, "train")
    groups = [{sample.id for sample in group} for group in SampleSet(tuple(samples)).groups]
    units = [{sample.id for sample in index.unit_samples(unit)} for unit in range(index.num_units)]
    assert units == groups  # here groups are adjacent and of 8 at most


def test_fields_left_out_and_other_spellings_of_the_same_make_no_new_unit(
    write_shards: WriteShards, make_sample: Callable[..., Sample]
) -> None:
    plain = make_sample("a").to_dict()
    short = {key: value for key, value in make_sample("b").to_dict().items() if value not in (None, [], {})}
    short["media"] = [{key: value for key, value in short["media"][0].items() if value is not None}]
    boxed, other = make_sample("c", boxed=True).to_dict(), make_sample("d", boxed=True).to_dict()
    other["regions"][0]["boxes"] = {"1": [0, 0, 4, 4.0]}
    root = write_shards([json.dumps(row).encode() + b"\n" for row in (plain, short, boxed, other)])
    build_index(root, "train")
    index = RowIndex.open(root, "train")
    assert [list(index.unit_rows(unit)) for unit in range(index.num_units)] == [[0, 1], [2, 3]]
    assert index.sample(3).regions == index.sample(2).regions


def test_images_within_the_text_stand_alone(write_shards: WriteShards, make_sample: Callable[..., Sample]) -> None:
    def several(id: str, text: str) -> Sample:
        media = tuple(MediaRef(kind="image", path=f"{n}.png", width=8, height=8) for n in range(2))
        turns = (Turn(role="user", text=text), Turn(role="assistant", text="a"))
        return make_sample(id).model_copy(update={"media": media, "turns": turns})

    rows = [
        several("a", "q"),
        several("b", "q"),
        several("c", "<image> or <image>"),
        several("d", "<image> or <image>"),
    ]
    root = write_shards(rows)
    build_index(root, "train")
    index = RowIndex.open(root, "train")
    assert [list(index.unit_rows(unit)) for unit in range(index.num_units)] == [[0, 1], [2], [3]]
    assert group_key(rows[0]) == group_key(SharedFields.model_validate(rows[0].to_dict()))


def test_blank_lines_and_a_last_line_without_its_end_are_rows_all_the_same(
    write_shards: WriteShards, samples: list[Sample]
) -> None:
    lines = [encode_line(sample) for sample in samples[:3]]
    root = write_shards([b"\n", lines[0], b"  \r\n", lines[1], lines[2].rstrip()], [])
    build_index(root, "train")
    index = RowIndex.open(root, "train")
    assert [index.sample(row) for row in range(index.num_rows)] == samples[:3]
    assert index.raw(0) == lines[0].strip()
    assert index.place(1)[1] == 4


def test_an_index_does_not_count_as_content_of_an_artifact(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = three_shards(write_shards, samples)
    before = list_files(root)
    build_index(root, "train")
    assert list_files(root) == before


def test_threads_may_share_an_index(
    write_shards: WriteShards, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_index, "_OPEN_SHARDS", 1)  # shards close while another thread reads them
    root = three_shards(write_shards, samples)
    build_index(root, "train")
    index = RowIndex.open(root, "train")
    wrong: list[int] = []

    def read(seed: int) -> None:
        for row in np.random.default_rng(seed).integers(0, len(samples), 300).tolist():
            if index.raw(row) != encode_line(samples[row]).strip():
                wrong.append(row)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_numbers_outside_are_refused(write_shards: WriteShards, samples: list[Sample]) -> None:
    build_index(three_shards(write_shards, samples), "train")
    index = RowIndex.open(write_shards(), "train")
    for call in (index.raw, index.sample, index.task, index.unit_rows, index.unit_samples, index.place, index.unit_of):
        for number in (-1, 10_000):
            with pytest.raises(IndexError, match=str(number)):
                call(number)


# --- what a build refuses ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: b"{]\n", "not a JSON line"),
        (lambda _: b'"text"\n', "expected an object, found str"),
        (lambda _: b'{"id": "\xff"}\n', "not a JSON line"),
        (lambda row: row | {"id": ""}, "'id': must be text that is not empty"),
        (lambda row: row | {"id": 7}, "'id': must be text that is not empty"),
        (lambda row: row | {"split": "benchmark"}, "sample x belongs to split 'benchmark', not 'train'"),
        (lambda row: row | {"task": "dance"}, "'task': 'dance' is none of image_caption, "),
        (lambda row: row | {"task": ["mcq"]}, "'task': .* is none of"),
        (lambda row: row | {"media": [{"kind": "image", "path": "/a", "width": 1, "height": 1}]}, "'media.0.path'"),
        (lambda row: row | {"turns": [3]}, "'turns.0'"),
        (lambda row: row | {"regions": [{"subject": "it"}]}, "'regions.0.box track.boxes'"),
    ],
)
def test_a_wrong_row_is_named(
    write_shards: WriteShards, samples: list[Sample], change: Callable[..., object], message: str
) -> None:
    changed = change(samples[0].to_dict() | {"id": "x"})
    line = changed if isinstance(changed, bytes) else json.dumps(changed).encode() + b"\n"
    root = write_shards(samples[:2], [samples[2], b"\n", line])
    with pytest.raises(DataError, match=f"samples-00001.jsonl:3: {message}"):
        build_index(root, "train")
    assert not (root / "train/index").exists()


@pytest.mark.parametrize("run_length", [2, 1 << 20])
def test_a_repeated_id_is_found_wherever_it_is(
    write_shards: WriteShards, samples: list[Sample], monkeypatch: pytest.MonkeyPatch, run_length: int
) -> None:
    monkeypatch.setattr(shard_scan, "RUN_LENGTH", run_length)
    monkeypatch.setattr(id_check, "RUN_LENGTH", run_length)
    monkeypatch.setattr(id_check, "_HASHES_AT_ONCE", 5)
    build_index(three_shards(write_shards, samples), "train")
    root = write_shards(samples[:7], samples[7:20], [*samples[20:], b"\n", samples[9]])
    with pytest.raises(DataError, match=rf"samples-00002.jsonl:18: id {samples[9].id} .* samples-00001.jsonl:3"):
        build_index(root, "train")


def test_equal_hashes_of_different_ids_are_no_repetition(
    write_shards: WriteShards, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_scan, "id_hash", lambda id: len(id) % 2)
    root = three_shards(write_shards, samples)
    assert build_index(root, "train").num_rows == len(samples)


def test_shards_are_one_file_or_numbered_without_a_gap(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = write_shards(samples[:2], samples[2:4], samples[4:6])
    (root / "train/samples-00001.jsonl").unlink()
    with pytest.raises(DataError, match=r"shard 1 is missing or doubled: samples-00002.jsonl"):
        build_index(root, "train")
    (root / "train/samples.jsonl").touch()
    with pytest.raises(DataError, match=r"both samples.jsonl and shards such as samples-00000.jsonl"):
        build_index(root, "train")
    with pytest.raises(DataError, match="validation: cannot be read: No such file"):
        build_index(root, "validation")
    (root / "validation").mkdir()
    with pytest.raises(DataError, match=r"holds neither samples.jsonl nor samples-00000.jsonl"):
        build_index(root, "validation")
    (root / "validation/samples.jsonl").touch()
    with pytest.raises(DataError, match="holds no samples"):
        build_index(root, "validation")
    with pytest.raises(UsageError, match="max_branches 0"):
        build_index(root, "train", max_branches=0)


def test_a_shard_written_to_meanwhile_is_refused(
    write_shards: WriteShards, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_shards(samples)
    real = shard_scan._Scan._add

    def add_and_grow(self: shard_scan._Scan, run: shard_scan._Run, raw: bytes, line: int) -> None:
        real(self, run, raw, line)
        if line == len(samples):
            os.utime(root / "train/samples-00000.jsonl", ns=(5, 5))

    monkeypatch.setattr(shard_scan._Scan, "_add", add_and_grow)
    with pytest.raises(DataError, match="was written to while it was read"):
        build_index(root, "train")


def test_two_builds_at_once_are_refused(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = write_shards(samples)
    with index_build._alone(root / "train"), pytest.raises(DataError, match="another process builds"):
        build_index(root, "train")


# --- building again ---


def count_scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    scanned: list[str] = []
    real = index_build.scan_shard

    def scan(path: Path, *arguments: object, **named: object) -> object:
        scanned.append(path.name)
        return real(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(index_build, "scan_shard", scan)
    return scanned


def test_a_build_goes_on_where_it_was_stopped(
    write_shards: WriteShards, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = count_scans(monkeypatch)
    root = write_shards(samples[:7], samples[7:20], [*samples[20:], b"torn"])
    with pytest.raises(DataError, match=r"samples-00002.jsonl:17"):
        build_index(root, "train")
    write_shards(samples[:7], samples[7:20], samples[20:])
    os.utime(root / "train/samples-00000.jsonl", ns=(5, 5))  # not as it was
    build_index(root, "train")
    assert scanned == [f"samples-0000{number}.jsonl" for number in (0, 1, 2, 0, 1, 2)]
    scanned.clear()
    last = root / "train/samples-00002.jsonl"
    kept = last.read_bytes()
    last.write_bytes(kept + b"torn")
    with pytest.raises(DataError):
        build_index(root, "train")
    last.write_bytes(kept + b"\n")
    build_index(root, "train")
    assert scanned == [f"samples-0000{number}.jsonl" for number in (0, 1, 2, 2)]
    assert [RowIndex.open(root, "train").sample(row) for row in range(len(samples))] == samples
    assert sorted(path.name for path in (root / "train").iterdir() if path.is_dir()) == ["index"]


def test_what_is_up_to_date_is_not_built_again(
    write_shards: WriteShards, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = count_scans(monkeypatch)
    root = three_shards(write_shards, samples)
    record = build_index(root, "train")
    assert build_index(root, "train") == record
    copy = root.with_name("copy")
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    os.utime(copy / "train/samples-00001.jsonl", ns=(5, 5))
    with pytest.raises(DataError, match=r"samples-0000.\.jsonl: was changed after it was indexed"):
        RowIndex.open(copy, "train")
    build_index(copy, "train")
    assert RowIndex.open(copy, "train").sample(30) == samples[30]
    assert scanned == [f"samples-0000{number}.jsonl" for number in (0, 1, 2)]
    build_index(root, "train", max_branches=2)
    assert len(scanned) == 6


def test_the_index_is_the_same_bytes_however_it_was_built(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = three_shards(write_shards, samples)
    found = []
    for num_workers in (1, 2):
        build_index(root, "train", num_workers=num_workers)
        found.append({path.name: path.read_bytes() for path in (root / "train/index").iterdir()})
        shutil.rmtree(root / "train/index")
    assert found[0] == found[1]


# --- what opening and reading refuse ---


def test_an_index_that_does_not_fit_is_refused(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = three_shards(write_shards, samples)
    folder = root / "train/index"
    with pytest.raises(DataError, match=r"index.json: cannot be read"):
        RowIndex.open(root, "train")
    build_index(root, "train")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}

    def refused(name: str, data: bytes | None, message: str) -> None:
        (folder / name).unlink() if data is None else (folder / name).write_bytes(data)
        with pytest.raises(DataError, match=message):
            RowIndex.open(root, "train")
        (folder / name).write_bytes(kept[name])

    refused("index.json", b"{", r"index.json: is damaged or of another version")
    later = kept["index.json"].replace(b'"format_version": 1', b'"format_version": 2')
    refused("index.json", later, "another version")
    refused("index.json", kept["index.json"].replace(b'"train"', b'"benchmark"'), "is the index of split 'benchmark'")
    for name in ("starts.npy", "tasks.npy", "units.npy"):
        refused(name, None, f"{name}: cannot be read: No such file")
        refused(name, kept[name][:-1], f"{name}: does not belong to the index")
        refused(name, kept[name][:-1] + b"\x07", f"{name}: does not belong to the index")
    refused("index.json", kept["index.json"].replace(b'"num_rows": 36', b'"num_rows": 35'), "starts.npy: does not bel")
    RowIndex.open(root, "train")


def test_shards_that_do_not_fit_are_refused(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = three_shards(write_shards, samples)
    build_index(root, "train")
    last = root / "train/samples-00002.jsonl"
    kept = last.read_bytes()
    last.unlink()
    with pytest.raises(DataError, match=r"samples-00002.jsonl: is in the index, but not there"):
        RowIndex.open(root, "train")
    last.write_bytes(kept)
    with pytest.raises(DataError, match=r"samples-00002.jsonl: was changed after it was indexed"):
        RowIndex.open(root, "train")
    build_index(root, "train")
    (root / "train/samples-00003.jsonl").write_bytes(kept)
    with pytest.raises(DataError, match=r"samples-00003.jsonl: is not in the index"):
        RowIndex.open(root, "train")


def test_a_shard_that_changes_under_an_open_index_is_noticed(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = write_shards(samples)
    build_index(root, "train")
    path = root / "train/samples-00000.jsonl"
    kept = path.read_bytes()
    index = RowIndex.open(root, "train")
    os.truncate(path, len(kept) - 1000)
    with pytest.raises(DataError, match=r"samples-00000.jsonl: is shorter than when it was indexed"):
        index.raw(len(samples) - 1)
    path.write_bytes(kept.replace(b'"task":"mcq"', b'"task":"abc"'))
    with pytest.raises(DataError, match=r"samples-00000.jsonl:3: 'task'"):
        index.sample(2)
    path.write_bytes(kept.replace(b'"task":"rcap"', b'"task":"fgqa"'))
    with pytest.raises(DataError, match="is not what the index says of it"):
        index.sample(12)


def test_a_disk_that_cannot_read_is_told_of_the_row_and_reading_ahead_says_nothing(
    write_shards: WriteShards, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = three_shards(write_shards, samples)
    build_index(root, "train")
    index = RowIndex.open(root, "train")

    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(DataError, match=r"samples-00001\.jsonl.*cannot be read: Input/output error"):
        index.sample(8)
    (root / "train/samples-00002.jsonl").unlink()
    index.prefetch(range(index.num_units))


def test_a_row_is_checked_whole_when_it_is_read(write_shards: WriteShards, samples: list[Sample]) -> None:
    row = samples[1].to_dict() | {"dimension": "why"}
    root = write_shards([samples[0], json.dumps(row).encode() + b"\n"])
    build_index(root, "train")
    index = RowIndex.open(root, "train")
    assert index.sample(0) == samples[0]
    for read in (lambda: index.sample(1), lambda: index.unit_samples(index.unit_of(1))):
        with pytest.raises(DataError, match=r"samples-00000.jsonl:2: 'dimension'"):
            read()


def test_a_damaged_inside_of_an_array_is_noticed(write_shards: WriteShards, samples: list[Sample]) -> None:
    root = three_shards(write_shards, samples)
    build_index(root, "train")
    index = RowIndex.open(root, "train")
    arrays = {"tasks": np.array(index.tasks), "starts": np.array(index._starts), "units": np.array(index._units)}
    for name, message in [("tasks", "row 3 has no task"), ("starts", "row 3 begins at"), ("units", "unit 3 is rows")]:
        damaged = {**arrays, name: arrays[name].copy()}
        damaged[name][3] = 200 if name == "tasks" else 10_000_000
        wrong = RowIndex(index.folder, index.record, damaged)
        call = {"tasks": wrong.task, "starts": wrong.raw, "units": wrong.unit_rows}[name]
        with pytest.raises(DataError, match=message):
            call(3)

"""A month of training in seconds: a simulated clock, a model that counts its steps, and all that goes wrong in a month.

Real are the indexes, the blend, the loaders of all processes (threads here), saved states, logs and guards. Machines
die, come back in other numbers, some are slow; rows are damaged every hour and mended later, shards are overwritten, a
process cannot read what others can, pictures do not open, and the disk is full for half a day.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from together import Board, ThreadRanks
from torch.distributed.checkpoint.filesystem import FileSystem

from perceptlm.batch import Example
from perceptlm.data.plan import SourcePlan
from perceptlm.data.row_index import build_index
from perceptlm.data.source import Source
from perceptlm.errors import DataError, StorageError
from perceptlm.exchange.jsonl import JsonlAppender, read_lines, write_records
from perceptlm.schema import MediaRef, Origin, Sample, TextAnswer, Turn
from perceptlm.seeding import generator
from perceptlm.train.checkpoint import SavedStates, cut_log
from perceptlm.train.configuration import GuardConfig, StageConfig
from perceptlm.train.guards import DropGuard, SpikeGuard
from perceptlm.train.loader import StepData, StepLoader
from perceptlm.train.training_log import TrainingLog

HOUR = 3600.0
STEP_SECONDS = HOUR
NUM_STEPS = 30 * 24
UNITS_PER_STEP = 8
REPEATS = {"a": 1.0, "b": 0.5, "c": 2.0}
NUM_UNITS = {"a": 150, "b": 200, "c": 60}
NUM_SHARDS = 3
CONFIG = StageConfig(
    name="sft", num_steps=NUM_STEPS, learning_rates={"projector": 1.0}, sources={name: {} for name in REPEATS},
    num_groups=UNITS_PER_STEP, rows_per_batch=2, packed_tokens=64, checkpoint_every=12, keep_states=2,
    guard=GuardConfig(max_dropped=0.05),
)  # fmt: skip


class DiedError(Exception):
    """A machine is gone, and what it had not saved."""


class Processor:
    """Examples without tokens or pictures, but with lengths; pictures of some do not open."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(layout=SimpleNamespace(tile_size=2))
        self.closed: set[str] = set()

    def example(self, samples: Sequence[Sample], root: Path, **_: object) -> Example:
        number = int(samples[0].id.split("/")[1])
        ids = np.zeros(5 + number % 40, np.int64)
        pictures = np.zeros((1, 3, 2, 2), np.uint8)
        return Example(tuple(s.id for s in samples), ids, ids, ids, ids, ids, ("t",), pictures, blank=True)

    def tiles_key(self, sample: Sample, root: Path) -> str:
        return sample.id

    def tiles(self, sample: Sample, root: Path, **_: object) -> np.ndarray[Any, Any]:
        if sample.id in self.closed:
            raise DataError("is no picture", path=root / sample.media[0].path)
        return np.zeros((1, 3, 2, 2), np.uint8)

    def collate_rows(self, rows: Sequence[Sequence[Example]]) -> SimpleNamespace:
        return SimpleNamespace(ids=tuple(example.ids for row in rows for example in row))


def sample(source: str, unit: int, branch: int) -> Sample:
    return Sample(
        id=f"{source}/{unit}/{branch}", task="image_qa", split="train", cluster=f"{source}{unit}", template="t",
        media=(MediaRef(kind="image", path=f"{source}/{unit}.png", width=8, height=8),), dimension="what",
        turns=(Turn(role="user", text="q"), Turn(role="assistant", text="a")), answer=TextAnswer(text="a"),
        origin=Origin(kind="program", name="test", revision="1", licence="CC0-1.0"),
    )  # fmt: skip


def write_source(root: Path, name: str) -> None:
    (root / name / "train").mkdir(parents=True)
    for shard, units in enumerate(np.array_split(np.arange(NUM_UNITS[name]), NUM_SHARDS)):
        rows = [sample(name, unit, branch) for unit in units.tolist() for branch in range(1 + unit % 2)]
        write_records(root / name / "train" / f"samples-{shard:05d}.jsonl", rows)
    build_index(root / name, "train")


@dataclass
class Shards:
    """Damages shards and mends them; sizes and times stay, so that only who reads a row can know."""

    root: Path
    draw: np.random.Generator
    damaged: dict[Path, bytes] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def damage(self, *, whole: bool) -> None:
        """Overwrite one row of a random shard, or all of it."""
        name = str(self.draw.choice(list(REPEATS)))
        path = self.root / name / "train" / f"samples-{self.draw.integers(NUM_SHARDS):05d}.jsonl"
        text = self.damaged.setdefault(path, path.read_bytes())
        lines = path.read_bytes().splitlines(keepends=True)
        chosen = range(len(lines)) if whole else [int(self.draw.integers(len(lines)))]
        for place in chosen:
            lines[place] = b"\0" * (len(lines[place]) - 1) + b"\n"
        originals = text.splitlines()
        for place in chosen:
            self.touched.add("/".join(Sample.model_validate_json(originals[place]).id.split("/")[:2]))
        self._write(path, b"".join(lines))

    def mend(self) -> None:
        """Put all back as it was."""
        for path, text in self.damaged.items():
            self._write(path, text)
        self.damaged.clear()

    def _write(self, path: Path, text: bytes) -> None:
        times = path.stat()
        with open(path, "r+b") as file:
            file.write(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@dataclass
class Month:
    """The cluster: its clock, what is wrong at the moment, and the run's folder."""

    folder: Path
    data: Path
    clock: float = 0.0
    full: bool = False
    draw: np.random.Generator = field(default_factory=lambda: generator(11, "month"))
    happened: Counter[str] = field(default_factory=Counter)
    shards: Shards = field(init=False)
    processor: Processor = field(default_factory=Processor)
    blind: dict[int, set[str]] = field(default_factory=dict)
    """Rank -> units that it alone cannot read."""
    not_read: set[str] = field(default_factory=set)
    last_hour: int = -1

    def __post_init__(self) -> None:
        self.shards = Shards(self.data, self.draw)

    def run(self) -> None:
        """Begin again after whatever happened, until the month's steps are done."""
        while True:
            size = int(self.draw.choice([1, 2, 3, 4, 8]))
            try:
                with ExitStack() as stack:
                    self.attempt(size, self.clock + float(self.draw.exponential(40 * HOUR)), stack)
                return
            except DiedError:
                self.happened["died"] += 1
            except StorageError as error:
                self.happened["disk full" if "the disk is full" in error.message else "?"] += 1
            self.clock += HOUR  # somebody looks, and begins it again

    def attempt(self, size: int, death: float, stack: ExitStack) -> None:
        """Do what the trainer does, with `size` processes."""
        loaders = self._loaders(size, stack)
        threads = stack.enter_context(ThreadPoolExecutor(size))
        states = stack.enter_context(SavedStates(self.folder / "state", keep=CONFIG.keep_states))
        tensors = {"steps done": torch.zeros(3, dtype=torch.int64)}
        start = states.load(tensors)
        assert tensors["steps done"].tolist() == [start] * 3
        log = stack.enter_context(TrainingLog(self.folder, start))
        cut_log(self.folder / "shown.jsonl", start)
        shown = stack.enter_context(JsonlAppender(self.folder / "shown.jsonl"))
        spikes, drops = (
            SpikeGuard(CONFIG.guard, log.losses()),
            DropGuard(CONFIG.guard, log.drops(), start * UNITS_PER_STEP),
        )
        for step in range(start, NUM_STEPS):
            if step > start and step % CONFIG.checkpoint_every == 0:
                states.save(step, tensors)
            self._pass_time()
            data = list(threads.map(lambda loader, step=step: loader.get(step), loaders))
            tensors["steps done"] += 1
            # The slowest process says how long a step takes.
            self.clock += STEP_SECONDS * float(1 + self.draw.exponential(0.05, size).max())
            dropped = [item for found in data for item in found.dropped]
            shown.write({"step": step, "size": size, "ids": shown_ids(data)})
            log.step({"step": step, "loss": 1.0}, {}, dropped)
            spikes.watch(step, 1.0)
            drops.watch(step, len(dropped), data[0].num_units, dropped[-1].reason if dropped else "")
            states.wait()  # an hour is long enough to write one
            if self.clock >= death:
                raise DiedError

    def _loaders(self, size: int, stack: ExitStack) -> list[StepLoader]:
        board = Board(size)
        return [stack.enter_context(StepLoader(
            self._plan(rank), self.processor, CONFIG, 1, ranks=ThreadRanks(rank, size, None, board)  # type: ignore[arg-type]
        )) for rank in range(size)]  # fmt: skip

    def _plan(self, rank: int) -> SourcePlan:
        sources = [Source.open(name, self.data / name, "train") for name in REPEATS]
        for source in sources:
            source.index.unit_samples = self._readable(rank, source)  # type: ignore[method-assign]
        return SourcePlan(sources, list(REPEATS.values()), seed=3, num_units=UNITS_PER_STEP)

    def _readable(self, rank: int, source: Source) -> Callable[[int], tuple[Sample, ...]]:
        read = source.index.unit_samples

        def unit_samples(unit: int) -> tuple[Sample, ...]:
            if f"{source.name}/{unit}" in self.blind.get(rank, ()):
                raise DataError("cannot be read: Input/output error", path=self.data / source.name)
            return read(unit)

        return unit_samples

    def _pass_time(self) -> None:
        """Let happen what happens every hour, and now and then."""
        day, hour = divmod(int(self.clock // HOUR), 24)
        if (now := int(self.clock // HOUR)) == self.last_hour:
            return
        self.last_hour = now
        self.full = day in (9, 20) and hour >= 12
        if hour % 3 == 0:
            self.shards.mend()
            self.processor.closed.clear()
            self.blind.clear()
        self.shards.damage(whole=hour == 7 and day % 5 == 2)
        if hour in (3, 15):
            name = str(self.draw.choice(list(REPEATS)))
            units = self.draw.choice(NUM_UNITS[name], 5, replace=False)
            self.processor.closed |= {f"{name}/{unit}/0" for unit in units}
            self.blind[int(self.draw.integers(2))] = {f"{name}/{(unit + 1) % NUM_UNITS[name]}" for unit in units}
        self.not_read |= {item for items in self.blind.values() for item in items}
        self.not_read |= {"/".join(item.split("/")[:2]) for item in self.processor.closed}


def shown_ids(data: Sequence[StepData]) -> list[str]:
    """Return what processes were shown in a step, by unit."""
    return ["/".join(ids[0].split("/")[:2]) for found in data for batch in found.batches for ids in batch.ids]


def unit_of(dropped: dict[str, Any]) -> str:
    """Return which unit a record of dropped.jsonl is about: named by its source, or by its Samples' ids."""
    first = str(dropped["ids"][0])
    return "/".join(first.split("/")[:2]) if "/" in first else first.replace(", unit ", "/")


@pytest.fixture
def month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Month:
    """A cluster whose disk is full when its clock says so."""
    for name in REPEATS:
        write_source(tmp_path / "data", name)
    (tmp_path / "run").mkdir()
    cluster = Month(tmp_path / "run", tmp_path / "data")
    create_stream = FileSystem.create_stream

    @contextmanager
    def limited(self: FileSystem, path: Any, mode: str) -> Iterator[Any]:
        if cluster.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with create_stream(self, path, mode) as stream:
            yield stream

    monkeypatch.setattr(FileSystem, "create_stream", limited)
    return cluster


def test_a_month_loses_nothing_and_shows_nothing_twice(month: Month) -> None:
    month.run()
    assert set(month.happened) == {"died", "disk full"}
    assert month.happened["died"] >= 8
    assert month.happened["disk full"] >= 2
    assert month.clock > 30 * 24 * HOUR
    assert sorted(path.name for path in (month.folder / "state").iterdir()) == ["00000696", "00000708", "CACHEDIR.TAG"]
    lines = [record for _, record in read_lines(month.folder / "shown.jsonl")]
    dropped = [record for _, record in read_lines(month.folder / "dropped.jsonl")]
    assert [line["step"] for line in lines] == list(range(NUM_STEPS))
    assert [record["step"] for _, record in read_lines(month.folder / "metrics.jsonl")] == list(range(NUM_STEPS))
    assert len({line["size"] for line in lines}) >= 4
    # Every planned unit of every step was shown once, or dropped once with its reason.
    plan = month._plan(0).blend
    names = list(REPEATS)
    seen: list[str] = []
    for line in lines:
        planned = [f"{names[place]}/{unit}" for place, unit in plan.units_of_step(line["step"], UNITS_PER_STEP)]
        left_out = [unit_of(record) for record in dropped if record["step"] == line["step"]]
        assert sorted(line["ids"] + left_out) == sorted(planned)
        seen += planned
    # Epoch by epoch all of a source come before one comes again.
    per_epoch = int(sum(NUM_UNITS[name] * REPEATS[name] for name in names))
    for epoch in range(len(seen) // per_epoch):
        counts = Counter(seen[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert all(counts[f"a/{unit}"] == 1 for unit in range(NUM_UNITS["a"]))
        assert all(counts[f"c/{unit}"] == 2 for unit in range(NUM_UNITS["c"]))
        assert sum(counts[f"b/{unit}"] for unit in range(NUM_UNITS["b"])) == NUM_UNITS["b"] // 2
    # Nothing was dropped that could be used, and each kind of damage was met and counted.
    assert {unit_of(record) for record in dropped} <= month.shards.touched | month.not_read
    kinds = Counter(kind for record in dropped for kind in ("JSON", "Input/output", "is no picture")
                    if kind in record["reason"])  # fmt: skip
    assert kinds.total() == len(dropped)
    assert all(kinds[kind] for kind in ("JSON", "Input/output", "is no picture")), kinds
    assert 10 < len(dropped) <= 0.05 * NUM_STEPS * UNITS_PER_STEP

"""A disk that fills while a state is written: a clear error at once, older states kept, and on from them with room."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystem

from perceptlm import artifact
from perceptlm.errors import StorageError
from perceptlm.train.checkpoint import SavedStates
from perceptlm.train.configuration import StageConfig
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData


@pytest.fixture
def full_at(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of states for which there is no room: half of one is written, then the disk is full."""
    full: set[str] = set()
    create_stream = FileSystem.create_stream

    class Half:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def write(self, data: bytes) -> int:
            self._stream.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    @contextmanager
    def limited(self: FileSystem, path: Any, mode: str) -> Iterator[Any]:
        with create_stream(self, path, mode) as stream:
            yield Half(stream) if any(name in str(path) for name in full) else stream

    monkeypatch.setattr(FileSystem, "create_stream", limited)
    return full


def test_a_state_without_room_leaves_the_older_ones_and_nothing_half(tmp_path: Path, full_at: set[str]) -> None:
    tensors = {"a": torch.arange(1000.0)}
    with SavedStates(tmp_path / "state", keep=2) as states:
        states.save(10, tensors)
        states.wait()
        full_at.add("00000020")
        states.save(20, tensors)
        limit = time.monotonic() + 20
        while not states.has_failed and time.monotonic() < limit:
            time.sleep(0.01)
        assert states.has_failed
        with pytest.raises(StorageError, match="the disk is full: cannot write"):
            states.wait()
        assert not states.has_failed
        assert sorted(os.listdir(tmp_path / "state")) == ["00000010", "CACHEDIR.TAG"]
        full_at.clear()
        states.save(20, {"a": torch.arange(1000.0) + 1})
    read = {"a": torch.zeros(1000)}
    assert SavedStates(tmp_path / "state").load(read) == 20
    assert float(read["a"][0]) == 1


def test_a_run_stops_says_so_and_goes_on_to_the_same_bytes(
    tmp_path: Path, toy_world: Path, micro: Path, stage: StageConfig, full_at: set[str]
) -> None:
    data, stage = (
        StageData(toy_world),
        stage.model_copy(update={"num_steps": 3, "num_groups": 1, "checkpoint_every": 1}),
    )
    whole = train_stage(tmp_path / "whole", stage, data=data, start=micro, seed=1)
    full_at.add("00000002")
    with pytest.raises(StorageError, match="the disk is full") as caught:
        train_stage(tmp_path / "out", stage, data=data, start=micro, seed=1)
    assert "free some space" in (caught.value.hint or "")
    assert sorted(os.listdir(tmp_path / "out.partial/state")) == ["00000001", "CACHEDIR.TAG"]
    full_at.clear()
    out = train_stage(tmp_path / "out", stage, data=data, start=micro, seed=1)
    assert artifact.read_manifest(out).digest == artifact.read_manifest(whole).digest

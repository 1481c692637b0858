"""Saving the state of an unfinished run, so that one that was killed goes on to the same bytes.

A state is a folder STEP of safetensors files, written by all processes together (torch's distributed checkpoints) and
renamed when it is whole; the newest one counts. Any number of processes reads what any other number wrote. It is
written in the background, from a copy. Where states lie is marked as a cache: an artifact can be published before they
are removed, so that a run that is killed as it publishes is not lost. This module does not know what the tensors are,
nor how a finished model is saved.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor, distributed
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter

from perceptlm.artifact import CACHE_TAG, CACHE_TAG_TEXT, translate_os_errors, write_atomic
from perceptlm.errors import TrainingError
from perceptlm.exchange.jsonl import cut_torn_line
from perceptlm.train.ranks import ALONE, Ranks

STATE_FOLDER = "state"
_UNFINISHED = "unfinished-"


class SavedStates:
    """The newest `keep` states under `root`. As a context it ends when all is written."""

    def __init__(self, root: Path, *, keep: int = 1, ranks: Ranks = ALONE) -> None:
        self._root = root
        self._keep = keep
        self._ranks = ranks
        self._group: distributed.ProcessGroup | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="state")
        self._pending: Future[None] | None = None

    def save(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Write the state *before* step `step`; returns when it is copied. Raises what the last writing met with."""
        self.wait()
        unfinished = self._root / f"{_UNFINISHED}{step:08d}"
        with translate_os_errors(self._root):
            if self._ranks.is_first:
                for old in self._root.glob(f"{_UNFINISHED}*"):
                    shutil.rmtree(old)
                self._root.mkdir(parents=True, exist_ok=True)
                if not (self._root / CACHE_TAG).exists():
                    write_atomic(self._root / CACHE_TAG, CACHE_TAG_TEXT)
                unfinished.mkdir()
        self._ranks.wait()
        if self._ranks.size > 1 and self._group is None:
            # What is said while writing must not come between what is said while training.
            self._group = distributed.new_group(backend="gloo")
        copied = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        self._pending = self._writer.submit(self._write, unfinished, step, copied)

    def _write(self, unfinished: Path, step: int, tensors: dict[str, Tensor]) -> None:
        try:
            self._write_and_rename(unfinished, step, tensors)
        finally:
            if self._ranks.is_first:
                # Half a state on a full disk would only be in the way.
                shutil.rmtree(unfinished, ignore_errors=True)

    def _write_and_rename(self, unfinished: Path, step: int, tensors: dict[str, Tensor]) -> None:
        with translate_os_errors(unfinished):
            _silence_single_process_warning()
            writer = HuggingFaceStorageWriter(path=str(unfinished), save_distributed=True)
            alone = self._ranks.size == 1
            try:
                state_dict_saver.save(tensors, storage_writer=writer, process_group=self._group, no_dist=alone)
            except CheckpointException as error:
                for failure, _ in error.failures.values():
                    if isinstance(failure, OSError):
                        raise failure from error
                raise
            # All have written when the first is told so.
            if self._ranks.is_first:
                final = self._root / f"{step:08d}"
                if final.exists():
                    self._discard(final)
                os.rename(unfinished, final)
                for older in self.folders()[: -self._keep]:
                    self._discard(older)

    def _discard(self, state: Path) -> None:
        """Remove a state so that a kill in between does not leave a part of it that looks whole."""
        doomed = state.with_name(f"{_UNFINISHED}removed-{state.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        os.rename(state, doomed)
        shutil.rmtree(doomed)

    @property
    def has_failed(self) -> bool:
        """Whether a state could not be written; `wait` raises why."""
        return self._pending is not None and self._pending.done() and self._pending.exception() is not None

    def wait(self) -> None:
        """Return when what was begun is written."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def load(self, tensors: Mapping[str, Tensor]) -> int:
        """Fill `tensors` with the newest state and return the step to do next; 0 if there is none.

        Raises TrainingError for a state that cannot be read.
        """
        folders = self.folders()
        if not folders:
            return 0
        newest = folders[-1]
        try:
            _silence_single_process_warning()
            reader = HuggingFaceStorageReader(path=str(newest))
            with torch.no_grad():
                state_dict_loader.load(dict(tensors), storage_reader=reader, no_dist=self._ranks.size == 1)
        except (CheckpointException, OSError, ValueError, KeyError, RuntimeError) as error:
            raise TrainingError(
                f"{newest}: this saved state cannot be read: {str(error).strip().splitlines()[-1]}",
                hint="remove it: training then goes on from the state before, or from the start",
            ) from error
        return int(newest.name)

    def folders(self) -> list[Path]:
        """Return the folders of all whole states, the newest last."""
        if not self._root.is_dir():
            return []
        return sorted(path for path in self._root.iterdir() if path.name.isdigit())

    def remove(self) -> None:
        """Remove all saved states: the run is done."""
        self.wait()
        self._ranks.wait()
        if self._ranks.is_first:
            remove_states(self._root)

    def __enter__(self) -> SavedStates:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        try:
            if kind is None or self._ranks.size == 1:
                self.wait()
        finally:
            self._writer.shutdown(wait=self._ranks.size == 1)


def remove_states(root: Path) -> None:
    """Remove all states under `root`, and with the last of them the mark of a cache."""
    for folder in (path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)


def cut_log(path: Path, end: int, key: str = "step") -> None:
    """Keep the first lines of a log, those whose `key` is below `end`: what came before the restored state."""
    cut_torn_line(path)
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)[key] < end]
    if len(kept) != len(lines):
        write_atomic(path, b"".join(kept))


def _silence_single_process_warning() -> None:
    # Said whenever there is one process; it asks for nothing.
    warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninit")

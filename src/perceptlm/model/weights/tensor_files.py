"""Tensors in files, read and written one at a time: no file is ever in memory as a whole.

Read are `model*.safetensors` and, in the original layout, one `.pth`, without running what a pickle may hold; either is
written too. What the names mean is not known here; see `rules` and `layouts`.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from perceptlm.artifact import write_atomic
from perceptlm.errors import WeightsError

SAFETENSORS, INDEX = "model.safetensors", "model.safetensors.index.json"
ORIGINAL = "consolidated.pth"
MAX_FILE_BYTES = 5_000_000_000
"""More than this goes into several files, as `transformers` does it."""
_MAPPED_BYTES = 2**25
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


@dataclass(frozen=True)
class Held:
    """A tensor of a file without its values. `same_as` names one before it that it is, where a file can say so."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    same_as: str | None = None

    @property
    def num_bytes(self) -> int:
        """Bytes of its values."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


class TensorReader(Protocol):
    """A file, or several, that hold tensors by name."""

    @property
    def held(self) -> Mapping[str, Held]:
        """The tensors, without values, by name."""

    def read(self, name: str) -> Tensor:
        """Return one tensor, its memory its own."""


class SafetensorsReader:
    """The tensors of all `model*.safetensors` of a directory."""

    def __init__(self, directory: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.held: dict[str, Held] = {}
        self._file_of: dict[str, Path] = {}
        files = sorted(directory.glob("model*.safetensors"))
        if not files:
            raise WeightsError(f"{directory / SAFETENSORS}: missing", hint="weights are read from safetensors only")
        for file in files:
            try:
                with safe_open(file, "pt") as opened:
                    for name in opened.keys():  # noqa: SIM118 - not a mapping
                        part = opened.get_slice(name)
                        self._add(file, Held(name, tuple(part.get_shape()), _dtype(part.get_dtype(), name, file)))
            except (SafetensorError, OSError) as error:
                raise WeightsError(f"{file}: not a readable safetensors file: {error}") from error

    def _add(self, file: Path, held: Held) -> None:
        if held.name in self.held:
            raise WeightsError(f"{file}: {held.name} is also in {self._file_of[held.name].name}")
        self.held[held.name] = held
        self._file_of[held.name] = file

    def read(self, name: str) -> Tensor:
        """Return one tensor, its memory its own."""
        from safetensors import safe_open

        # Opened anew for every tensor: what was read of a file that stays open stays in memory with it.
        with safe_open(self._file_of[name], "pt") as opened:
            tensor: Tensor = opened.get_tensor(name)
            return tensor.clone()


class _Mapped:
    """Tensors mapped to a file, mapped anew now and then: what was looked at stays in memory as long as the mapping."""

    def __init__(self, load: Callable[[], dict[str, Tensor]]) -> None:
        self._load = load
        self._tensors: dict[str, Tensor] | None = None
        self._num_bytes = 0

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by name. Nobody keeps them."""
        self._tensors = self._load() if self._tensors is None else self._tensors
        return self._tensors

    def touched(self, tensor: Tensor) -> None:
        """Count the bytes of a tensor that was looked at."""
        self._num_bytes += tensor.nbytes
        if self._num_bytes > _MAPPED_BYTES:
            self.drop()

    def drop(self) -> None:
        """Give the mapping back."""
        self._tensors = None
        self._num_bytes = 0


class PthReader:
    """The tensors of one `.pth` file: a dictionary of tensors, perhaps under `state_dict` or `weights`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mapped = _Mapped(self._load)
        self.held = {name: Held(name, tuple(t.shape), t.dtype) for name, t in self._mapped.tensors().items()}

    def read(self, name: str) -> Tensor:
        """Return one tensor, its memory its own."""
        tensor = self._mapped.tensors()[name].clone()
        self._mapped.touched(tensor)
        return tensor

    def _load(self) -> dict[str, Tensor]:
        """Return the tensors mapped from the file; only those that are looked at are read."""
        import pickle

        try:
            found = torch.load(self._path, map_location="cpu", mmap=True, weights_only=True)
        except FileNotFoundError as error:
            raise WeightsError(f"{self._path}: missing") from error
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsError(f"{self._path}: not a readable file of tensors: {reason}") from error
        for key in ("state_dict", "weights", "model"):
            if isinstance(found, dict) and isinstance(found.get(key), dict):
                found = found[key]
        if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
            raise WeightsError(f"{self._path}: expected a dictionary of tensors")
        return {str(name).removeprefix("module."): tensor for name, tensor in found.items()}


class TensorWriter(Protocol):
    """Files that are being written, tensor by tensor, in any order."""

    def write(self, name: str, tensor: Tensor) -> None:
        """Write the values of one tensor."""

    def finish(self) -> None:
        """Write what comes last. The files are whole now."""


class SafetensorsWriter:
    """Writes `model.safetensors` or, where that would be too large, several files and their index."""

    def __init__(self, directory: Path, wanted: Sequence[Held], max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._directory = directory
        self._wanted = {held.name: held for held in wanted}
        parts = _in_files(sorted(wanted, key=lambda held: held.name), max_file_bytes)
        names = [SAFETENSORS] if len(parts) == 1 else [_part_name(i, len(parts)) for i in range(len(parts))]
        self._place: dict[str, tuple[Path, int]] = {}
        for name, part in zip(names, parts, strict=True):
            self._begin(directory / name, part)

    def _begin(self, path: Path, part: Sequence[Held]) -> None:
        """Write a file's header and reserve its length; in the safetensors library's order, by dtype, then name."""
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        ordered = sorted(part, key=lambda held: (-held.dtype.itemsize, held.name))
        for held in ordered:
            header[held.name] = {
                "dtype": _NAMES[held.dtype],
                "shape": list(held.shape),
                "data_offsets": [end, end + held.num_bytes],
            }
            self._place[held.name] = (path, end)
            end += held.num_bytes
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + end)
        for held in ordered:
            self._place[held.name] = (path, self._place[held.name][1] + 8 + len(text))

    def write(self, name: str, tensor: Tensor) -> None:
        """Write the values of one tensor."""
        _check(self._wanted[name], tensor)
        path, offset = self._place[name]
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(tensor.contiguous().flatten().view(torch.uint8).numpy().data)

    def finish(self) -> None:
        """Write the index of several files."""
        files = {path for path, _ in self._place.values()}
        for path in files:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        if len(files) > 1:
            total = sum(held.num_bytes for held in self._wanted.values())
            weight_map = {name: path.name for name, (path, _) in sorted(self._place.items())}
            index = {"metadata": {"total_size": total}, "weight_map": weight_map}
            write_atomic(self._directory / INDEX, (json.dumps(index, indent=2) + "\n").encode())


class PthWriter:
    """Writes one `.pth`: a dictionary of tensors, in the order in which they are wanted."""

    def __init__(self, path: Path, wanted: Sequence[Held]) -> None:
        self._path = path
        self._wanted = {held.name: held for held in wanted}
        state: dict[str, Tensor] = {}
        for held in wanted:
            # Never filled: memory that nobody looks at takes none.
            state[held.name] = state[held.same_as] if held.same_as else torch.empty(held.shape, dtype=held.dtype)
        with torch.serialization.skip_data():
            torch.save(state, path)
        if sys.platform == "linux":
            # A full disk is an error here; while writing through a mapping it would end the process.
            with open(path, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        self._mapped = _Mapped(self._load)

    def write(self, name: str, tensor: Tensor) -> None:
        """Write the values of one tensor."""
        held = self._wanted[name]
        _check(held, tensor)
        if held.same_as is None:
            self._mapped.tensors()[name].copy_(tensor)
            self._mapped.touched(tensor)

    def _load(self) -> dict[str, Tensor]:
        """Return the tensors mapped to the file: what is written to them is written to it."""
        with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
            mapped: dict[str, Tensor] = torch.load(self._path, mmap=True, weights_only=True)
            return mapped

    def finish(self) -> None:
        """Bring the file to the disk."""
        self._mapped.drop()
        with open(self._path, "rb") as file:
            os.fsync(file.fileno())


def _check(held: Held, tensor: Tensor) -> None:
    if (held.shape, held.dtype) != (tuple(tensor.shape), tensor.dtype):
        raise WeightsError(f"{held.name}: {tensor.dtype} {tuple(tensor.shape)}, wanted {held.dtype} {held.shape}")


def _dtype(name: str, tensor: str, file: Path) -> torch.dtype:
    if name not in _DTYPES:
        raise WeightsError(f"{file}: {tensor} is of the type {name}, which is not known here")
    return _DTYPES[name]


def _in_files(wanted: Sequence[Held], max_file_bytes: int) -> list[list[Held]]:
    """Cut the tensors, in their order, into files that are no larger unless one tensor is."""
    parts: list[list[Held]] = [[]]
    size = 0
    for held in wanted:
        if parts[-1] and size + held.num_bytes > max_file_bytes:
            parts.append([])
            size = 0
        parts[-1].append(held)
        size += held.num_bytes
    return parts


def _part_name(index: int, count: int) -> str:
    return f"model-{index + 1:05d}-of-{count:05d}.safetensors"

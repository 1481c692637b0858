"""Counts the bytes of all tensors that are alive, exactly, whatever made them; storages that are emptied count nothing.

Works on any device, on the CPU as well, where torch itself does not count. What an operation allocates for itself and
gives back before it returns is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveBytes(TorchDispatchMode):
    """Within this context `now()` is what is alive of what was made in it, and of `known`; `peak` the most so far."""

    def __init__(self, known: Iterable[torch.Tensor] = ()) -> None:
        super().__init__()
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self.peak = 0
        self.peak_at = ""
        for tensor in known:
            self._add(tensor)

    def now(self) -> int:
        """Return the bytes that are alive."""
        alive = ((key, reference()) for key, reference in self._storages.items())
        return sum(storage.nbytes() for _, storage in alive if storage is not None)

    def _add(self, tensor: torch.Tensor) -> None:
        if isinstance(tensor, DTensor):
            tensor = tensor.to_local()
        storage = tensor.untyped_storage()
        key = id(storage)
        if key not in self._storages or self._storages[key]() is not storage:
            self._storages[key] = weakref.ref(storage, lambda gone, key=key: self._forget(key, gone))

    def _forget(self, key: int, gone: object) -> None:
        if self._storages.get(key) is gone:
            del self._storages[key]

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        for value in tree_iter(result):
            if isinstance(value, torch.Tensor):
                self._add(value)
        now = self.now()
        if now > self.peak:
            self.peak, self.peak_at = now, str(operation)
        return result

"""A bounded memory of prepared pictures, so that a clip asked about again is not decoded again.

Knows nothing of how pictures are made. Safe to use from several threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray


class PictureCache:
    """The tiles used most recently, (N, 3, S, S) uint8 and not to be written to: at most `max_bytes` of them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._entries: OrderedDict[Hashable, NDArray[np.uint8]] = OrderedDict()
        self._under_way: dict[Hashable, Future[NDArray[np.uint8]]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return the entry of `key`, calling `make` if it is not held; who asks meanwhile waits for what it returns."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
            awaited = self._under_way.get(key)
            mine = self._under_way.setdefault(key, Future())
        if awaited is not None:
            return awaited.result()
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                del self._under_way[key]
            mine.set_exception(error)
            raise
        made.setflags(write=False)
        with self._lock:
            self._keep(key, made)
            del self._under_way[key]
        mine.set_result(made)
        return made

    def _keep(self, key: Hashable, made: NDArray[np.uint8]) -> None:
        if made.nbytes <= self._max_bytes:
            self._entries[key] = made
            self._num_bytes += made.nbytes
        while self._num_bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._num_bytes -= oldest.nbytes

"""A bounded memory of prefixes that were read, so that pictures asked about again are not read again.

Knows nothing of how a prefix is read or what it stands for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from perceptlm.model.kv_cache import Prefix


class PrefixStore:
    """The most recently used prefixes, at most `max_bytes` of them, but always the last one put in."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._entries: OrderedDict[Hashable, Prefix] = OrderedDict()

    def get(self, key: Hashable) -> Prefix | None:
        """Return the prefix of `key`, if it is held."""
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: Hashable, prefix: Prefix) -> None:
        """Hold the prefix of a new key, dropping those used longest ago to make room."""
        self._entries[key] = prefix
        self._num_bytes += prefix.num_bytes
        while self._num_bytes > self._max_bytes and len(self._entries) > 1:
            _, oldest = self._entries.popitem(last=False)
            self._num_bytes -= oldest.num_bytes

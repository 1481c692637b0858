"""A seeded shuffle of 0..n-1 that remembers nothing: where a number goes is computed, not looked up.

Above 4096 numbers this is an alternating Feistel network on b = ceil(log2 n) bits (Luby and Rackoff 1988) with cycle
walking: a result that is n or more goes through the network again, less than once in the mean (Black and Rogaway
2002, "Ciphers with arbitrary finite domains"). The bits are split in two halves; each of 12 rounds changes one half by
XOR with a keyed mix of the other, so it is a bijection whatever the mix is. The mix multiplies and shifts as
SplitMix64's finaliser does (Steele, Lea and Flood 2014). Memory and time per number do not depend on n.

Quality: for shuffling, not for secrets. At the seeds tested, places of single numbers, pairs of neighbours and
distances between neighbours pass chi-square tests, and the correlation of neighbours, of the same place in different
epochs, and of places with their numbers is what true shuffles show (tests/data/test_permutation.py). Not all n! orders
can occur, as with every generator whose seed is shorter than n!. Up to 4096 numbers the order is drawn as a table of at
most 32 KiB, where a network of few bits would be poor. Knows nothing of rows, units or sources.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perceptlm.seeding import Name, generator

_LARGEST_TABLE = 1 << 12
_NUM_ROUNDS = 12
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Permutation:
    """A bijection of range(`length`), the one of stream `names` under `seed`. `length` is 0 to 2**62."""

    def __init__(self, length: int, seed: int, *names: Name) -> None:
        if not 0 <= length <= 1 << 62:
            raise ValueError(f"length {length} is not in 0..2**62")
        self.length = length
        draw = generator(seed, "permutation", *names)
        if length <= _LARGEST_TABLE:
            self._table: NDArray[np.int64] | None = draw.permutation(length)
            return
        self._table = None
        self._keys = draw.integers(0, 1 << 64, _NUM_ROUNDS, np.uint64)
        num_bits = (length - 1).bit_length()
        self._low_bits = num_bits // 2
        self._high_bits = num_bits - self._low_bits

    def __call__(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where each of `numbers` goes; same shape. Raises IndexError for one outside range(length)."""
        numbers = np.asarray(numbers, np.int64)
        if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < self.length:
            raise IndexError(f"numbers from {numbers.min()} to {numbers.max()}, but the length is {self.length}")
        if self._table is not None:
            return self._table[numbers]
        found = self._network(numbers.astype(np.uint64).ravel())
        while len(outside := np.flatnonzero(found >= np.uint64(self.length))):
            found[outside] = self._network(found[outside])
        return found.astype(np.int64).reshape(numbers.shape)

    def at(self, number: int) -> int:
        """Return where one number goes."""
        return int(self(np.array([number], np.int64))[0])

    def _network(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        shift = np.uint64(self._low_bits)
        high, low = values >> shift, values & np.uint64((1 << self._low_bits) - 1)
        for number in range(0, _NUM_ROUNDS, 2):
            high = high ^ _mix(low, self._keys[number], self._high_bits)
            low = low ^ _mix(high, self._keys[number + 1], self._low_bits)
        return (high << shift) | low


def _mix(values: NDArray[np.uint64], key: np.uint64, num_bits: int) -> NDArray[np.uint64]:
    """Return `num_bits` bits that depend on all of `values` and `key`. Products wrap around at 64 bits."""
    mixed = values + key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MULTIPLIERS[0]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MULTIPLIERS[1]
    return (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(64 - num_bits)

"""Named seeds: every random choice draws from a stream named by what it is for.

A stream depends only on the root seed and its name, so adding a consumer never shifts another one, and any
piece of work (one clip, one training step) can be redone alone. This module knows nothing of what is drawn.
"""

from __future__ import annotations

import hashlib
import operator

import numpy as np

Name = str | int


def derive_seed(root: int, *names: Name) -> int:
    """Return a 63-bit seed for the stream `names` under `root`, the same on every machine and Python.

    An integer of numpy counts as the Python integer of its value; anything but text and integers is a TypeError.
    """
    digest = hashlib.blake2b(digest_size=8, person=b"perceptlm")
    for part in (root, *names):
        text = f"str:{part}" if isinstance(part, str) else f"int:{operator.index(part)}"
        digest.update(f"{len(text)}:{text}".encode())
    return int.from_bytes(digest.digest(), "little") >> 1


def generator(root: int, *names: Name) -> np.random.Generator:
    """Return a numpy generator (PCG64) for the stream `names` under `root`."""
    return np.random.Generator(np.random.PCG64(derive_seed(root, *names)))

"""The cache holds what was used last, within its size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perceptlm.preprocess.picture_cache import PictureCache


def test_the_least_recently_used_goes_first() -> None:
    cache = PictureCache(max_bytes=25)
    made: list[str] = []

    def get(key: str, num_bytes: int = 10) -> NDArray[np.uint8]:
        def make() -> NDArray[np.uint8]:
            made.append(key)
            return np.zeros(num_bytes, np.uint8)

        return cache.get(key, make)

    get("a")
    get("b")
    get("a")
    get("c")
    get("a")
    get("b")
    assert made == ["a", "b", "c", "b"]
    get("too large", 30)
    assert made.count("too large") == 1
    get("a")
    get("b")
    assert made == ["a", "b", "c", "b", "too large"]


def test_pictures_in_the_cache_cannot_be_changed() -> None:
    held = PictureCache(100).get("a", lambda: np.zeros(4, np.uint8))
    assert not held.flags.writeable

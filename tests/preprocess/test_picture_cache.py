"""The cache holds what was used last, within its size."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
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


def test_what_two_threads_ask_for_at_once_is_made_once() -> None:
    cache, is_made = PictureCache(100), threading.Event()
    calls: list[int] = []

    def make() -> NDArray[np.uint8]:
        calls.append(1)
        is_made.wait(10)
        return np.zeros(4, np.uint8)

    with ThreadPoolExecutor(4) as threads:
        found = [threads.submit(cache.get, "a", make) for _ in range(4)]
        is_made.set()
        assert all(one.result() is found[0].result() for one in found)
    assert len(calls) == 1


def test_who_waited_for_what_cannot_be_made_is_told_and_the_next_one_tries_again() -> None:
    cache, has_begun, may_fail = PictureCache(100), threading.Event(), threading.Event()

    def fail() -> NDArray[np.uint8]:
        has_begun.set()
        may_fail.wait(10)
        raise OSError("torn")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cache.get, "a", fail)
        has_begun.wait(10)
        second = threads.submit(cache.get, "a", fail)
        may_fail.set()
        for asked in (first, second):
            with pytest.raises(OSError, match="torn"):
                asked.result()
    assert cache.get("a", lambda: np.zeros(4, np.uint8)).nbytes == 4

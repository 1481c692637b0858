"""Processes that work beside the one that started them, and end with it. Knows nothing of what they do."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait

from perceptlm.log import hide_progress

_PRODUCT_THREADS = "OPENBLAS_NUM_THREADS"


@contextmanager
def worker_pool(num_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes that draw no progress bars and leave nobody who still writes when the run is killed.

    When the block ends with an error, its processes are ended and what they had still to do is dropped, so that the
    error is told at once. Not forked: a parent's threads (torch has some) would not be there in the child.
    NumPy's matrix products have one thread there: more would, beside what the parent computes, wait for each other.
    """
    others = set(active_children())
    with (
        _one_thread_for_products(),
        ProcessPoolExecutor(num_workers, get_context("spawn"), initializer=_become_worker) as pool,
    ):
        try:
            yield pool
        except BaseException:
            for worker in set(active_children()) - others:
                worker.terminate()
            raise


@contextmanager
def _one_thread_for_products() -> Iterator[None]:
    """Set what NumPy reads when a process starts, for processes started within the block."""
    before = os.environ.get(_PRODUCT_THREADS)
    os.environ[_PRODUCT_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PRODUCT_THREADS]
        else:
            os.environ[_PRODUCT_THREADS] = before


def _become_worker() -> None:
    hide_progress()
    parent = parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()

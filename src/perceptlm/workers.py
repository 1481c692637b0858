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


@contextmanager
def worker_pool(num_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes that draw no progress bars and leave nobody who still writes when the run is killed.

    When the block ends with an error, its processes are ended and what they had still to do is dropped, so that the
    error is told at once. Not forked: a parent's threads (torch has some) would not be there in the child.
    """
    others = set(active_children())
    with ProcessPoolExecutor(num_workers, get_context("spawn"), initializer=_become_worker) as pool:
        try:
            yield pool
        except BaseException:
            for worker in set(active_children()) - others:
                worker.terminate()
            raise


def _become_worker() -> None:
    hide_progress()
    parent = parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()

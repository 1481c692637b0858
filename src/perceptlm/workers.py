"""Processes that work beside the one that started them, and end with it. Knows nothing of what they do."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from perceptlm.log import hide_progress


def worker_pool(num_workers: int) -> ProcessPoolExecutor:
    """Return a pool of processes that draw no progress bars and leave nobody who still writes when the run is killed.

    Not forked: a parent's threads (torch has some) would not be there in the child.
    """
    return ProcessPoolExecutor(num_workers, get_context("spawn"), initializer=_become_worker)


def _become_worker() -> None:
    hide_progress()
    parent = parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()

"""workers: a worker draws nothing, and what goes wrong in it is told where its result is asked for."""

import importlib
import os

import pytest

from perceptlm.errors import DataError
from perceptlm.workers import worker_pool

_JOBS = """
from perceptlm import log
from perceptlm.errors import DataError

def draws():
    from rich.console import Console
    log.console = lambda: Console(force_terminal=True)
    return not log.progress().disable

def product_threads():
    import os
    return os.environ["OPENBLAS_NUM_THREADS"]

def fail():
    raise DataError("line 3 is wrong", path="some.jsonl", hint="mend it")
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "jobs_of_test.py").write_text(_JOBS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("jobs_of_test")


def test_a_worker_draws_no_progress(jobs, monkeypatch):
    with worker_pool(1) as pool:
        assert not pool.submit(jobs.draws).result()
    monkeypatch.setattr("perceptlm.log.console", None)  # put back what `draws` changes here
    assert jobs.draws()


def test_an_error_arrives_whole(jobs):
    with worker_pool(1) as pool, pytest.raises(DataError) as caught:
        pool.submit(jobs.fail).result()
    assert str(caught.value) == "some.jsonl: line 3 is wrong"
    assert caught.value.hint == "mend it"


@pytest.mark.parametrize("before", [None, "2"])
def test_a_worker_has_one_thread_for_products_and_its_parent_keeps_its_own(jobs, monkeypatch, before):
    name = "OPENBLAS_NUM_THREADS"
    monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv(name, before)
    with worker_pool(1) as pool:
        assert pool.submit(jobs.product_threads).result() == "1"
    assert os.environ.get(name) == before

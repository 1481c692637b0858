"""Whatever people send in whatever order, nothing acknowledged is lost, nothing counts twice, nobody judges their own.

The machine is in `tests/support/annotation_machine.py`.
"""

from __future__ import annotations

import pytest
from annotation_machine import TRIED, Work
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test


def run(fresh, num_examples, num_steps):
    class Here(Work):
        make_service = staticmethod(fresh.service)

    TRIED.clear()
    wanted = settings(
        max_examples=num_examples,
        stateful_step_count=num_steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # an example takes seconds: a failing one is printed as it is
    )
    run_state_machine_as_test(Here, settings=wanted)
    for key, count in sorted(TRIED.items()):
        print(f"{count:6d} {key}")
    return TRIED


@pytest.mark.parametrize(("kind", "num_examples", "num_steps"), [("sqlite", 4, 20), ("postgresql", 2, 12)])
def test_any_order_of_requests_keeps_the_record_right(fresh_of, kind, num_examples, num_steps):
    tried = run(fresh_of(kind), num_examples, num_steps)
    assert tried["POST submissions 201"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "num_examples"), [("sqlite", 100), ("postgresql", 20)])
def test_longer_runs_reach_every_kind_of_work(fresh_of, kind, num_examples):
    tried = run(fresh_of(kind), num_examples, 60)
    steps = ("question_check", "blind_answer", "compare", "distractor", "choice", "ceiling", "review", "expert")
    assert all(tried[f"leased {step}"] for step in steps), tried

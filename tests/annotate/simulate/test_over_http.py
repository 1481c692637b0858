"""The same people at a real server and in memory: answer by answer the same course, hence the same measures."""

import pytest

from perceptlm.annotate.quality.records import EXPERT
from perceptlm.annotate.simulate.driver import run_over_http
from perceptlm.annotate.simulate.measures import measure
from perceptlm.annotate.simulate.methods import policy_method
from perceptlm.annotate.simulate.offline import run_project
from perceptlm.annotate.simulate.people import draw_crowd
from perceptlm.annotate.simulate.project_setup import service_policy
from perceptlm.annotate.simulate.run_http import simulate_over_http
from perceptlm.annotate.simulate.scenario import Scenario
from perceptlm.config import parse
from perceptlm.errors import ConfigError

GOOD = {"name": "good", "count": 4, "easy": 0.85, "hard": 0.5}
MODEL = {"easy": 0.8, "hard": 0.5}
COLUMNS = ("item", "worker", "value", "shown", "unsure")


def scenario(**more):
    plan = {"items": {"count": 6}, "annotators": [GOOD], "experts": {"per_domain": 1}, "seeds": 1}
    return parse(Scenario, {**plan, "gold": {"per_worker": 2}, **more})


def both(plan, seed=0):
    crowd = draw_crowd(plan, seed)
    return run_project(crowd, policy_method(plan.policy_at_costs())), run_over_http(crowd).outcome


def assert_same(offline, served):
    for column in COLUMNS:
        assert getattr(offline.labels, column).tolist() == getattr(served.labels, column).tolist()
    asked, number = offline.labels.item, offline.crowd.num_items
    assert (offline.answer[asked] == served.answer[asked]).all()
    for name in ("reason", "crowd_answer"):
        assert getattr(offline, name)[:number].tolist() == getattr(served, name)[:number].tolist()
    people = slice(0, len(offline.crowd.people) - (offline.crowd.model is not None))
    for name in ("flagged", "paused", "drifting"):
        assert getattr(offline, name)[people].tolist() == getattr(served, name)[people].tolist()
    assert measure(served) == pytest.approx(measure(offline), nan_ok=True)


def test_the_service_routes_as_the_simulator_in_memory_does():
    guessing = {"name": "guessing", "count": 1, "easy": 0.25, "hard": 0.25, "unsure_hard": 0.3}
    plan = scenario(
        items={"count": 24, "hard_share": 0.5, "domains": ["Théâtre", "b"]},
        annotators=[GOOD, guessing],
        gold={"per_worker": 8, "first": 0.75},
        model={**MODEL, "confidence": 0.95},
        policy={"audit_share": 0.2},
    )
    offline, served = both(plan, seed=3)
    assert_same(offline, served)
    # It is worth comparing only if everything happened that can be routed otherwise.
    role = offline.crowd.people.role[offline.labels.worker]
    assert offline.paused.any()
    assert set(offline.reasons()) >= {"audit", "disagreement", "unsure", "model_conflict"}
    assert (role == EXPERT).sum() > 5
    assert offline.num_rounds > 3


ODD = {
    "one domain, two options, often fitted": {"items": {"count": 8, "options": 2, "domains": 1}, "refit_every": 7},
    "no experts": {"experts": {"per_domain": 0}},
    "no gold, anyone asked": {"gold": {"per_worker": 0}, "policy": {"extra_labels_from": "anyone"}},
    "all guess": {"annotators": [{"count": 2, "easy": 0.25, "hard": 0.25}], "gold": {"per_worker": 12}},
    "another rule, and a leak": {
        "policy": {"rule": "threshold", "first_labels": 3, "most_labels": 4},
        "model": MODEL,
        "anchoring": {"share": 0.5, "leak": 0.5},
    },
}


@pytest.mark.parametrize("name", ODD)
def test_odd_scenarios_go_the_same_way_too(name):
    offline, served = both(scenario(**ODD[name]), seed=1)
    assert_same(offline, served)
    if name == "no experts":
        assert (offline.crowd.people.role[offline.labels.worker] != EXPERT).all()
    if name == "all guess":
        assert served.paused[:2].all()
        measures = measure(served)
        assert (measures["unfinished_share"], measures["escalated_share"]) == (1, 0)


def test_in_verify_mode_the_service_flags_who_copies_planted_proposals():
    plan = scenario(
        items={"count": 8, "domains": 1},
        annotators=[{**GOOD, "count": 5, "easy": 0.95}],
        gold={"per_worker": 12},
        model=MODEL,
        mode="verify",
        planted_wrong_share=0.9,
        anchoring={"share": 0.4, "rate": 1.0},
    )
    result = simulate_over_http(plan)
    assert result.measures["copying_flag_precision"].mean == 1
    assert result.measures["copying_flag_recall"].mean == 1
    assert result.service["num_submissions"].mean >= 5 * 12


def test_the_same_scenario_gives_the_same_measures_again():
    plan = scenario(items={"count": 2}, annotators=[{**GOOD, "count": 1}])
    first, second = (simulate_over_http(plan) for _ in range(2))
    assert (first.measures, first.reasons) == (second.measures, second.reasons)


def test_a_policy_that_the_service_does_not_take_is_named_before_anything_starts():
    with pytest.raises(ConfigError, match="most_labels") as error:
        service_policy(scenario(policy={"most_labels": 60}))
    assert "scenario" in error.value.message

import json
from pathlib import Path

import numpy as np
import pytest

from perceptlm.annotate.quality import FitConfig
from perceptlm.annotate.simulate.measures import interval, measure
from perceptlm.annotate.simulate.methods import baselines, policy_method
from perceptlm.annotate.simulate.offline import run_project
from perceptlm.annotate.simulate.people import draw_crowd
from perceptlm.annotate.simulate.run import report_lines, simulate_offline
from perceptlm.annotate.simulate.scenario import Scenario, read_scenario
from perceptlm.config import parse
from perceptlm.errors import ConfigError

GOOD = {"name": "good", "count": 8, "easy": 0.9, "hard": 0.6}


def scenario(**more):
    return parse(Scenario, {"items": {"count": 150}, "annotators": [GOOD], "seeds": 1, **more})


@pytest.fixture(scope="module")
def crowd_of_two_kinds():
    weak = {"name": "guessing", "count": 2, "easy": 0.25, "hard": 0.25}
    return scenario(items={"count": 300}, annotators=[{**GOOD, "count": 10}, weak], seeds=1)


def test_the_policy_beats_the_majority_at_no_greater_cost(crowd_of_two_kinds):
    result = simulate_offline(crowd_of_two_kinds)
    ours, votes = result.measures, result.baselines["majority_of_5"]
    assert ours["accuracy"].mean > votes["accuracy"].mean + 0.02
    assert ours["cost_per_item"].mean < 5
    assert ours["failing_flag_recall"].mean == 1
    assert ours["failing_flag_precision"].mean == 1
    assert result.baselines["one_label"]["cost_per_item"].mean == 1
    assert result.baselines["two_disagree_expert"]["labels_per_item"].mean < 3
    assert result.reasons["audit"] > 0
    said = "\n".join(report_lines(result))
    assert "two_disagree_expert" in said
    assert json.loads(json.dumps(result.to_dict()))["measures"]["accuracy"]["num_seeds"] == 1


def test_the_same_scenario_gives_the_same_result():
    first, second = (simulate_offline(scenario(), with_baselines=False) for _ in range(2))
    assert first == second


def test_costs_are_counted_by_hand():
    plan = scenario(costs={"label": 1, "expert": 7, "gold": 0.5}, items={"count": 60})
    project = run_project(draw_crowd(plan, 3), policy_method(plan.policy_at_costs()))
    crowd = project.crowd
    experts = int((crowd.people.role[project.labels.worker] == 1).sum())
    gold = int((project.labels.item >= 60).sum())
    labels = len(project.labels) - experts - gold
    assert gold == 8 * 30
    assert measure(project)["cost_per_item"] == pytest.approx((labels + 7 * experts + 0.5 * gold) / 60)
    assert experts == int((project.reason > 0).sum())
    assert plan.policy_at_costs().expert_cost == 7


def test_nobody_answers_an_item_twice_and_experts_work_at_home():
    project = run_project(draw_crowd(scenario(), 0), policy_method(scenario().policy))
    crowd, labels = project.crowd, project.labels
    assert len(np.unique(labels.item * 1000 + labels.worker)) == len(labels)
    said = crowd.people.role[labels.worker] == 1
    assert crowd.people.own[labels.worker[said], crowd.domain[labels.item[said]]].all()


def test_answers_do_not_depend_on_who_asks_when():
    crowd = draw_crowd(scenario(), 5)
    again = draw_crowd(scenario(), 5)
    worker, item = np.repeat(np.arange(8), 20), np.tile(np.arange(20), 8)
    blind, fresh = np.full(160, -1), np.zeros(160, dtype=int)
    order = np.random.default_rng(0).permutation(160)
    together = crowd.answer(worker, item, shown=blind, num_before=fresh).value
    apart = again.answer(worker[order], item[order], shown=blind, num_before=fresh).value
    assert (together[order] == apart).all()


def test_people_are_as_good_as_the_scenario_says():
    plan = scenario(items={"count": 6000, "hard_share": 0.5}, annotators=[{**GOOD, "by_domain": {"domain-2": -0.2}}])
    crowd = draw_crowd(plan, 0)
    item = np.arange(6000)
    given = crowd.answer(np.zeros(6000, dtype=int), item, shown=np.full(6000, -1), num_before=item * 0)
    right = given.value == crowd.truth[:6000]
    hard, second = crowd.hard[:6000], crowd.domain[:6000] == 1
    assert right[~hard & ~second].mean() == pytest.approx(0.9, abs=0.02)
    assert right[hard & second].mean() == pytest.approx(0.4, abs=0.03)


def test_who_is_tired_falls_to_chance_and_who_copies_copies():
    plan = scenario(
        items={"count": 4000, "hard_share": 0.0},
        annotators=[{**GOOD, "fatigue_per_100": 0.5}],
        model={"easy": 0.5},
        anchoring={"share": 1.0, "rate": 0.75},
        mode="verify",
    )
    crowd = draw_crowd(plan, 0)
    item, person = np.arange(4000), np.zeros(4000, dtype=int)
    tired = crowd.answer(person, item, shown=np.full(4000, -1), num_before=np.full(4000, 1000))
    assert (tired.value == crowd.truth[:4000]).mean() == pytest.approx(0.25, abs=0.03)
    anchored = crowd.answer(person, item, shown=crowd.proposal[:4000], num_before=person)
    assert anchored.copied.mean() == pytest.approx(0.75, abs=0.03)
    assert (anchored.value[anchored.copied] == crowd.proposal[:4000][anchored.copied]).all()


def test_hiding_the_proposal_makes_copiers_harmless_and_verify_mode_finds_them():
    crowd = {"annotators": [{**GOOD, "count": 12}], "items": {"count": 400}, "model": {}}
    calm = scenario(**crowd)
    anchored = scenario(**crowd, anchoring={"share": 0.34, "rate": 0.9})
    first, second = (simulate_offline(plan, with_baselines=False).measures for plan in (calm, anchored))
    assert first["accuracy"] == second["accuracy"]
    shown = scenario(**crowd, anchoring={"share": 0.34, "rate": 0.9}, mode="verify")
    found = simulate_offline(shown, with_baselines=False).measures
    assert found["copying_flag_precision"].mean >= 0.9
    assert found["copying_flag_recall"].mean >= 0.9


ODD = {
    "one domain, two options": {"items": {"count": 60, "options": 2, "domains": 1}},
    "no experts": {"items": {"count": 60}, "experts": {"per_domain": 0}},
    "no gold": {"items": {"count": 60}, "gold": {"per_worker": 0}},
    "five items": {"items": {"count": 5}},
    "all guess": {"items": {"count": 60}, "annotators": [{"count": 5, "easy": 0.25, "hard": 0.25}]},
    "always wrong": {"items": {"count": 60}, "annotators": [GOOD, {"count": 3, "easy": 0.0, "hard": 0.0}]},
    "always right": {"items": {"count": 60}, "annotators": [{"count": 4, "easy": 1.0, "hard": 1.0}]},
    "all hard": {"items": {"count": 60, "hard_share": 1.0}},
    "many options": {"items": {"count": 60, "options": 26}},
    "more domains than people": {"items": {"count": 60, "domains": 20}},
    "gold hidden later": {"items": {"count": 60}, "gold": {"per_worker": 10, "first": 0.5}},
    "everybody copies": {
        "items": {"count": 60},
        "model": {},
        "mode": "verify",
        "anchoring": {"share": 1.0, "rate": 1.0},
    },
    "one person": {"items": {"count": 3}, "annotators": [{**GOOD, "count": 1}], "experts": {"per_domain": 0}},
    "shares": {
        "items": {"count": 60},
        "num_annotators": 9,
        "annotators": [{"share": 0.7, "easy": 0.9, "hard": 0.6}, {"share": 0.3, "easy": 0.6, "hard": 0.4}],
    },
}


@pytest.mark.parametrize("name", ODD)
def test_odd_scenarios_end_with_sane_measures(name):
    found = simulate_offline(scenario(**ODD[name]), with_baselines=False).measures
    for measured in ("accuracy", "escalated_share", "ece", "audit_error_bound", "unfinished_share"):
        assert 0 <= found[measured].mean <= 1
    assert found["cost_per_item"].mean > 0
    if name == "all guess":
        assert found["escalated_share"].mean == 1
    if name == "no experts":
        assert found["escalated_share"].mean == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"annotators": [{"count": 3, "easy": 1.2, "hard": 0.5}]}, "annotators.0.easy"),
        ({"annotators": [{"easy": 0.9, "hard": 0.5}]}, "give either count or share"),
        ({"annotators": []}, "annotators"),
        ({"annotators": [{"share": 0.5, "easy": 0.9, "hard": 0.5}]}, "num_annotators: needed"),
        ({"items": {"options": 1}}, "items.options"),
        ({"items": {"hard_share": {"domain-1": 0.3}}}, "hard_share"),
        ({"items": {"domains": []}}, "domains"),
        ({"anchoring": {"share": 0.3}}, "model: needed"),
        ({"mode": "verify"}, "model: needed"),
        ({"gold": {"per_worker": 30, "pool": 10}}, "pool"),
        ({"seeds": []}, "seeds"),
        ({"polcy": {}}, "did you mean 'policy'"),
        ({"policy": {"treshold": 0.9}}, "did you mean 'threshold'"),
    ],
)
def test_a_bad_scenario_names_its_field(tmp_path, change, said):
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"annotators": [GOOD], **change}))
    with pytest.raises(ConfigError) as error:
        read_scenario(path)
    assert said in error.value.message
    assert str(path) in error.value.message


def test_a_baseline_may_be_told_who_is_hard_and_ours_is_not():
    plan = scenario(items={"count": 200, "hard_share": 0.5})
    simpler = baselines(plan.policy)
    assert simpler["policy_without_strata"].fit == FitConfig(num_classes=1)
    crowd = draw_crowd(plan, 1)
    told = run_project(crowd, simpler["policy_true_strata"])
    assert told.fit.joint[:200, 0].sum(axis=1) == pytest.approx(1 - crowd.hard[:200])
    untold = run_project(crowd, policy_method(plan.policy))
    assert 0.05 < untold.fit.joint[:200, 1].sum(axis=1).std() < 0.45


def test_intervals_over_seeds():
    found = interval([0.9, 0.92, None, 0.94])
    assert (found.mean, found.num_seeds) == (pytest.approx(0.92), 3)
    assert found.high - 0.92 == pytest.approx(4.30265 * 0.02 / 3**0.5, abs=1e-6)
    assert interval([None]).mean is None
    assert interval([0.5]).low is None


def test_the_scenario_of_the_document_is_one():
    page = Path(__file__).resolve().parents[3] / "docs" / "annotation-quality.md"
    example = page.read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    assert parse(Scenario, json.loads(example)).group_sizes() == [20, 7, 3]

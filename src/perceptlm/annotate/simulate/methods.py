"""The ways of getting from labels to answers that a simulation compares: the scenario's policy, and its baselines."""

from __future__ import annotations

from perceptlm.annotate.quality.dawid_skene import FitConfig
from perceptlm.annotate.quality.routing import RoutingPolicy
from perceptlm.annotate.simulate.offline import Method

_PLAIN = FitConfig(num_classes=1)


def _changed(policy: RoutingPolicy, **changes: object) -> RoutingPolicy:
    # Validated again: a baseline is a policy like any other.
    return RoutingPolicy.model_validate({**policy.model_dump(), **changes})


def policy_method(policy: RoutingPolicy) -> Method:
    """Return the scenario's own way, which is the service's: its policy on estimated strata, the word of experts."""
    return Method(policy, answer="expert")


def baselines(policy: RoutingPolicy) -> dict[str, Method]:
    """Return the baselines by name. None of them audits; rules with experts keep the pausing of failing people."""

    def fixed(number: int) -> RoutingPolicy:
        return _changed(policy, rule="threshold", first_labels=number, most_labels=number, threshold=0.0, **free)

    free = {"audit_share": 0.0, "extra_labels_from": "anyone", "unsure_labels": 0, "model_conflict": 1.0}
    no_pause = {"pause_below": 0.0}
    two = _changed(policy, rule="disagreement", first_labels=2, most_labels=2, **free)
    posterior = _changed(policy, rule="threshold", first_labels=2, most_labels=3, threshold=0.95, **free)
    return {
        "one_label": Method(_changed(fixed(1), **no_pause), _PLAIN, answer="majority", uses_gold=False),
        "majority_of_3": Method(_changed(fixed(3), **no_pause), _PLAIN, answer="majority", uses_gold=False),
        "majority_of_5": Method(_changed(fixed(5), **no_pause), _PLAIN, answer="majority", uses_gold=False),
        "dawid_skene_3": Method(fixed(3), _PLAIN),
        "two_disagree_expert": Method(two, _PLAIN, answer="expert"),
        "posterior_without_strata": Method(posterior, _PLAIN),
        "posterior_estimated_strata": Method(posterior),
        "posterior_true_strata": Method(posterior, true_difficulty=True),
        "policy_without_strata": Method(policy, _PLAIN, answer="expert"),
        "policy_true_strata": Method(policy, true_difficulty=True, answer="expert"),
    }

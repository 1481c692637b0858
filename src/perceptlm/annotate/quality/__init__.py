"""How good labels and people are, and what to do next about an item. Pure numpy: no database, no clock, no network."""

from perceptlm.annotate.quality.assess import Assessment, Wishes, assess
from perceptlm.annotate.quality.calibration import Calibration, calibrate
from perceptlm.annotate.quality.copying import CopyEvidence, copy_evidence
from perceptlm.annotate.quality.dawid_skene import Fit, FitConfig, fit
from perceptlm.annotate.quality.drift import DriftConfig, find_drift
from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT, MODEL, Items, Labels, People
from perceptlm.annotate.quality.release_bound import ErrorBound, release_bound
from perceptlm.annotate.quality.routing import (
    ACCEPT,
    ANOTHER_LABEL,
    ESCALATE,
    REASONS,
    Decisions,
    Requirements,
    RoutingPolicy,
    choose_expert,
    decide,
    draw_audit,
)
from perceptlm.annotate.quality.skill import Skill, failing, measure_skill

__all__ = [
    "ACCEPT",
    "ANNOTATOR",
    "ANOTHER_LABEL",
    "ESCALATE",
    "EXPERT",
    "MODEL",
    "REASONS",
    "Assessment",
    "Calibration",
    "CopyEvidence",
    "Decisions",
    "DriftConfig",
    "ErrorBound",
    "Fit",
    "FitConfig",
    "Items",
    "Labels",
    "People",
    "Requirements",
    "RoutingPolicy",
    "Skill",
    "Wishes",
    "assess",
    "calibrate",
    "choose_expert",
    "copy_evidence",
    "decide",
    "draw_audit",
    "failing",
    "find_drift",
    "fit",
    "measure_skill",
    "release_bound",
]

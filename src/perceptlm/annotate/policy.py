"""The policy of a project: how many people see what, when an expert is asked, how much is checked. One record.

A pack brings its own as the default; a project may have a newer version. Every submission names the version it was
made under. This module decides nothing itself.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from perceptlm.config import Config


class Policy(Config):
    """Counts are people per piece of work; shares are of items; costs are in units of one annotator's label."""

    first_labels: int = Field(default=2, ge=1, le=50, description="people who answer or choose before it is decided")
    most_labels: int = Field(default=5, ge=1, le=50, description="people who choose an option at most")
    most_answers: int = Field(default=3, ge=1, le=50, description="people who answer in free text at most")
    question_checks: int = Field(default=2, ge=1, le=9)
    most_question_checks: int = Field(default=3, ge=1, le=9)
    distractor_judges: int = Field(default=2, ge=1, le=9)
    most_distractor_judges: int = Field(default=3, ge=1, le=9)
    min_distractors: int = Field(default=2, ge=1, le=20, description="an item with fewer confirmed ones needs more")
    most_rounds: int = Field(default=2, ge=1, le=9, description="times an item is answered before an expert must")
    rule: Literal["value", "threshold", "disagreement"] = Field(
        default="value", description="what decides between accepting, another label and an expert; see quality/routing"
    )
    threshold: float = Field(default=0.9, ge=0, le=1, description="posterior from which a label is accepted")
    error_cost: float = Field(default=55.0, gt=0, description="what a wrong accepted item costs, in labels")
    label_cost: float = Field(default=1.0, ge=0)
    expert_cost: float = Field(default=5.0, ge=0)
    unsure_labels: int = Field(default=1, ge=0, description="labels marked unsure that call an expert; 0: none does")
    model_conflict: float = Field(
        default=0.9, ge=0, le=1, description="confidence of a model whose dissent does; 1: no"
    )
    pause_below: float = Field(
        default=0.35, ge=0, le=1, description="people pause surely below this share of the way from chance to perfect"
    )
    extra_labels_from: Literal["anyone", "better_half"] = Field(
        default="better_half", description="who is asked for choices beyond the first ones"
    )
    count_proposals: bool | None = Field(
        default=None, description="whether a model's choice is a label of its own; not given: in mode verify"
    )
    expert_wait_seconds: int = Field(
        default=86_400, ge=0, description="how long an item waits for the expert chosen for it, before any may take it"
    )
    audit_share: float = Field(default=0.05, ge=0, le=1, description="items an expert sees whatever was agreed")
    review_choices: bool = Field(
        default=False, description="whether agreed choices are reviewed, as answers always are"
    )
    gold_first: int = Field(default=0, ge=0, description="gold that everybody does before anything else")
    gold_rate: float = Field(default=0.1, ge=0, le=1, description="share of the work after that which is gold")
    gold_most: int | None = Field(default=None, ge=0, description="gold that one person does at most")
    calibration_items: int = Field(default=0, ge=0, le=1000, description="work with known answers before real work")
    calibration_pass: float = Field(default=0.8, ge=0, le=1, description="share of it right before real work is given")
    ceiling_share: float = Field(default=0.1, ge=0, le=1, description="accepted items that fresh people answer")
    use_text_only: bool = Field(default=False, description="whether distractors wait for a model without the video")
    text_only_alpha: float = Field(default=0.05, gt=0, lt=1, description="see fgqa/text_only.py")
    most_text_only: int = Field(
        default=3, ge=1, le=20, description="sets told without the video after which an item is discarded"
    )
    lease_seconds: int = Field(default=900, ge=30, le=86400)
    refit_every: int = Field(default=200, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _most_of_old(cls, values: Any) -> Any:
        """Policies from before there was `most_distractor_judges` may ask for more judges than its default."""
        if isinstance(values, dict) and isinstance(number := values.get("distractor_judges"), int) and number > 3:
            return {"most_distractor_judges": number, **values}
        return values

    @model_validator(mode="after")
    def _goes_together(self) -> Policy:
        pairs = (
            ("first_labels", "most_labels"),
            ("first_labels", "most_answers"),
            ("question_checks", "most_question_checks"),
            ("distractor_judges", "most_distractor_judges"),
        )
        for first, most in pairs:
            if getattr(self, most) < getattr(self, first):
                raise ValueError(f"{most} {getattr(self, most)} is below {first} {getattr(self, first)}")
        if self.use_text_only and self.min_distractors < 2:
            raise ValueError("use_text_only needs min_distractors of 2 or more: of one alone the filter tells nothing")
        return self

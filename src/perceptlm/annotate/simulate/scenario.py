"""The scenario format: which items, people and habits a simulation draws. docs/annotation-quality.md describes it.

This module knows no method: it only says what exists and refuses what cannot be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from perceptlm.annotate.quality.routing import RoutingPolicy
from perceptlm.config import Config, parse, read_json_object

Share = Annotated[float, Field(ge=0, le=1)]


class ItemsPlan(Config):
    """Items to be labelled: `count` of them with `options` each, spread evenly over `domains` at random."""

    count: int = Field(3000, ge=1, le=200_000)
    options: int = Field(4, ge=2, le=26)
    hard_share: Share | dict[str, Share] = 0.25
    """One share, or one per domain."""
    domains: tuple[str, ...] = ("domain-1", "domain-2", "domain-3")

    @field_validator("domains", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """A number of domains is as good as their names."""
        if isinstance(value, bool):
            raise ValueError("give the number of domains, or their names")
        if isinstance(value, int):
            return tuple(f"domain-{number + 1}" for number in range(value))
        return value

    @model_validator(mode="after")
    def _consistent(self) -> ItemsPlan:
        if not self.domains or len(set(self.domains)) != len(self.domains):
            raise ValueError("domains: at least one, and no name twice")
        shares = self.hard_share if isinstance(self.hard_share, dict) else {"": self.hard_share}
        if isinstance(self.hard_share, dict) and set(shares) != set(self.domains):
            raise ValueError("hard_share: give one share, or exactly one for every domain")
        return self

    def hard_shares(self) -> list[float]:
        """Return the share of hard items of each domain."""
        given = self.hard_share
        return [given[name] if isinstance(given, dict) else given for name in self.domains]


class AnnotatorGroup(Config):
    """People alike: how many (`count`, or `share` of `num_annotators`), and how often they are right."""

    name: str = Field("annotator", min_length=1)
    count: int | None = Field(None, ge=0, le=10_000)
    share: Share | None = None
    easy: Share
    hard: Share
    by_domain: dict[str, float] = Field(default_factory=dict)
    """Added to both accuracies in a domain, such as -0.1."""
    unsure_easy: Share = 0.0
    unsure_hard: Share = 0.0
    """How often they say that they are unsure."""
    fatigue_per_100: Share = 0.0
    """What accuracy loses per 100 labels given, down to chance."""

    @model_validator(mode="after")
    def _counted(self) -> AnnotatorGroup:
        if (self.count is None) == (self.share is None):
            raise ValueError(f"group '{self.name}': give either count or share")
        return self


class ExpertsPlan(Config):
    """Experts: `per_domain` of them with a credential in each domain. Elsewhere they work with `_outside` accuracy."""

    per_domain: int = Field(3, ge=0, le=1000)
    easy: Share = 0.975
    hard: Share = 0.93
    easy_outside: Share | None = None
    """As `easy` where not given."""
    hard_outside: Share = 0.70


class GoldPlan(Config):
    """Items whose value is known: each annotator answers `per_worker` of a pool of `pool`, so many of them first."""

    per_worker: int = Field(30, ge=0)
    pool: int | None = Field(None, ge=0, le=100_000)
    """Three times `per_worker` where not given."""
    first: Share = 1.0
    """This share before any other work; the rest is hidden among the other work."""
    rate: Share = 0.1
    """Of the other work, so much is gold until a person has had `per_worker`."""

    def size(self) -> int:
        """Return how many gold items there are."""
        return 3 * self.per_worker if self.pool is None else self.pool

    def num_first(self) -> int:
        """Return how many each annotator answers before other work."""
        return round(self.first * self.per_worker)

    @model_validator(mode="after")
    def _enough(self) -> GoldPlan:
        if self.per_worker > self.size():
            raise ValueError(f"pool ({self.size()}) must not be below per_worker ({self.per_worker})")
        return self


class ModelPlan(Config):
    """A model that proposes a value for every item, with the accuracy of each class and a confidence."""

    easy: Share = 0.80
    hard: Share = 0.55
    counts_as_label: bool | None = None
    """Whether its proposal is a label of its own, of an accuracy that is estimated. Where not given: in mode verify, as
    what people saw must be weighed to judge what they answered; not in mode blind_first."""
    confidence: Share = 0.5
    """What it states, always: 0.9 or more sets off the policy's `model_conflict`."""


class Anchoring(Config):
    """`share` of the annotators answer what they are shown, `rate` of the times that something is shown."""

    share: Share = 0.0
    rate: Share = 0.9
    leak: Share = 0.0
    """In mode blind_first: how often those people see the proposal all the same, and the service does not know it."""


class Costs(Config):
    """What work costs; a label is the unit of every cost printed."""

    label: float = Field(1.0, ge=0)
    expert: float = Field(5.0, ge=0)
    gold: float = Field(1.0, ge=0)


class Scenario(Config):
    """One simulation. Everything has a default but the annotators."""

    schema_version: Literal[1] = 1
    name: str = "scenario"
    items: ItemsPlan = ItemsPlan()
    num_annotators: int | None = Field(None, ge=1, le=10_000)
    """Needed where a group gives its share."""
    annotators: tuple[AnnotatorGroup, ...] = Field(..., min_length=1)
    experts: ExpertsPlan = ExpertsPlan()
    gold: GoldPlan = GoldPlan()
    model: ModelPlan | None = None
    anchoring: Anchoring = Anchoring()
    mode: Literal["blind_first", "verify"] = "blind_first"
    planted_wrong_share: Share = 0.5
    """How often gold is shown with a proposal that is known to be wrong; elsewhere the model's own is shown."""
    costs: Costs = Costs()
    policy: RoutingPolicy = RoutingPolicy()
    refit_every: int | None = Field(None, ge=1)
    """The quality engine runs when nobody finds work, and after each so many answers; not given: the former only."""
    seeds: tuple[int, ...] = tuple(range(5))

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, value: object) -> object:
        """A number of seeds is as good as a list."""
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: at least one, and none twice")
        if self.num_annotators is None and any(group.share is not None for group in self.annotators):
            raise ValueError("num_annotators: needed, as a group of annotators gives its share")
        if sum(self.group_sizes()) < 1:
            raise ValueError("annotators: there is nobody")
        if self.model is None and (self.mode == "verify" or self.anchoring.share > 0):
            raise ValueError("model: needed, as proposals are shown in mode verify and copied with anchoring")
        unknown = {name for group in self.annotators for name in group.by_domain} - set(self.items.domains)
        if unknown:
            raise ValueError(f"annotators: by_domain names no domain: {', '.join(sorted(unknown))}")
        return self

    def policy_at_costs(self) -> RoutingPolicy:
        """Return the policy; what it does not say itself about costs is as in `costs`."""
        said = self.policy.model_fields_set
        costs = {"label_cost": self.costs.label, "expert_cost": self.costs.expert}
        return self.policy.model_copy(update={name: cost for name, cost in costs.items() if name not in said})

    def proposals_count(self) -> bool:
        """Whether the model's proposals are labels."""
        if self.model is None:
            return False
        return self.mode == "verify" if self.model.counts_as_label is None else self.model.counts_as_label

    def group_sizes(self) -> list[int]:
        """Return how many people each group has; shares are rounded so that their sum is right (largest remainders)."""
        wanted = [float(g.count) if g.count is not None else (g.share or 0) * (self.num_annotators or 0)
                  for g in self.annotators]  # fmt: skip
        sizes = [int(number) for number in wanted]
        spare = round(sum(wanted)) - sum(sizes)
        for place in sorted(range(len(wanted)), key=lambda k: sizes[k] - wanted[k])[:spare]:
            sizes[place] += 1
        return sizes


def read_scenario(path: Path) -> Scenario:
    """Read a scenario from a JSON file; ConfigError names the file and the field that is wrong."""
    return parse(Scenario, read_json_object(path), source=str(path))

"""The open-weights list: models by exact name, their licences, and what these say of training on what a model writes.

The list is `open_weights.yaml`. A name is compared whole, after case, blanks and underscores are evened out; nothing is
guessed from a part of it. Models that cannot be had stand on a list of their own, so that a refusal can say why. This
module knows no record and no dataset; the audit asks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from perceptlm.config import Config, load_yaml

OutputUse = Literal["allowed", "naming", "terms", "not_allowed", "unknown"]
_HASH_OR_VERSION = r"[0-9a-f]{7,64}|sha256:[0-9a-f]{64}|v?[0-9][0-9A-Za-z._+-]*"
_SAYS_NOTHING = frozenset(
    [
        "",
        "?",
        "unknown",
        "none",
        "n/a",
        "na",
        "null",
        "tbd",
        "todo",
        "other",
        "unspecified",
        "noassertion",
        "unlicensed",
    ]
)
_MOVES = frozenset(
    ["latest", "main", "master", "head", "trunk", "default", "current", "newest", "stable", "nightly", "dev", "develop"]
)


class Licence(Config):
    """One licence of models. `carried_by` names others whose duties towards output are the same."""

    title: str
    output: OutputUse
    source: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    carried_by: tuple[str, ...] = ()
    note: str = ""


class ModelFamily(Config):
    """Models of one owner under one licence. `models` are names, `{a,b}` in them stands for each of a and b."""

    name: str
    owner: str
    licence: str
    models: tuple[str, ...] = Field(min_length=1)
    source: str = Field(min_length=1)
    revision: str = Field(default=_HASH_OR_VERSION, description="regular expression of what names a fixed state")


class ClosedModels(Config):
    """Models of one company that cannot be had, and why their output is not used."""

    name: str
    models: tuple[str, ...] = Field(min_length=1)
    reason: str = Field(min_length=1)


class OpenWeightsFile(Config):
    """What `open_weights.yaml` holds."""

    licences: dict[str, Licence]
    families: tuple[ModelFamily, ...]
    closed: tuple[ClosedModels, ...]

    @model_validator(mode="after")
    def _licences_are_there(self) -> OpenWeightsFile:
        named = [family.licence for family in self.families]
        named += [other for licence in self.licences.values() for other in licence.carried_by]
        missing = sorted(set(named) - set(self.licences))
        if missing:
            raise ValueError(f"licences that are not listed: {', '.join(missing)}")
        return self


@dataclass(frozen=True)
class KnownModel:
    """One model of the list: its name as its owner writes it, and what is known of it."""

    name: str
    family: ModelFamily
    licence_id: str
    licence: Licence


class OpenWeights:
    """The list, ready to be asked. Raises ValueError for a name that stands on it twice."""

    def __init__(self, file: OpenWeightsFile) -> None:
        self.file = file
        self._models: dict[str, KnownModel] = {}
        self._closed: dict[str, ClosedModels] = {}
        self._licences: dict[str, str] = {}
        for family in file.families:
            for name in (name for pattern in family.models for name in expand(pattern)):
                model = KnownModel(f"{family.owner}/{name}", family, family.licence, file.licences[family.licence])
                for key in (normal_name(name), normal_name(model.name)):
                    if key in self._models:
                        raise ValueError(f"'{name}' stands twice on the open-weights list")
                    self._models[key] = model
        for group in file.closed:
            for name in (name for pattern in group.models for name in expand(pattern)):
                if normal_name(name) in self._models or normal_name(name) in self._closed:
                    raise ValueError(f"'{name}' stands twice on the open-weights list")
                self._closed[normal_name(name)] = group
        for licence_id, licence in file.licences.items():
            for name in (licence_id, *licence.aliases):
                self._licences[_licence_key(name)] = licence_id

    @property
    def models(self) -> tuple[KnownModel, ...]:
        """Every model, once, in the order of the file."""
        return tuple(dict.fromkeys(self._models.values()))

    def find(self, name: str) -> KnownModel | None:
        """Return the model of this name, with or without its owner before it; None if it is not on the list."""
        return self._models.get(normal_name(name))

    def why_refused(self, name: str) -> str | None:
        """Return why a closed model is refused; None for a name that is not on that list. A date at the end is cut."""
        key = normal_name(name).rpartition("/")[2]
        group = self._closed.get(key) or self._closed.get(re.sub(r"-\d{4}-?\d{2}-?\d{2}$", "", key))
        return None if group is None else f"it is one of {group.name} models: {group.reason}"

    def licence_id(self, text: str) -> str | None:
        """Return the id of the licence that `text` names, such as `LicenseRef-Llama-3.2` for `llama3.2`, or None."""
        return self._licences.get(_licence_key(text))

    def carries_duties(self, model: KnownModel, licence: str) -> bool:
        """Whether a record of `model` may stand under `licence`, an SPDX expression: see the head of the file.

        Where output is free any licence will do. Where a duty goes with it, one of the terms joined by AND must be
        the model's licence or one that carries the same duty.
        """
        if model.licence.output == "allowed":
            return True
        wanted = {model.licence_id, *model.licence.carried_by}
        terms = re.split(r"\s+AND\s+", licence.strip().strip("()"), flags=re.IGNORECASE)
        return any(self.licence_id(term) in wanted for term in terms)


@cache
def open_weights() -> OpenWeights:
    """Return the list that comes with the package."""
    return OpenWeights(load_yaml(OpenWeightsFile, Path(__file__).with_name("open_weights.yaml")))


def normal_name(name: str) -> str:
    """Return `name` as names are compared: small letters, one hyphen for blanks, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


def says_nothing(text: str) -> bool:
    """Whether a name or licence is empty, or a word such as `unknown` that stands for nothing."""
    return text.strip().casefold() in _SAYS_NOTHING


def licence_says_nothing(expression: str) -> bool:
    """Whether an SPDX expression is empty, or has a term that stands for no licence, such as `unknown`."""
    terms = re.split(r"\s+(?:AND|OR)\s+|[()]", expression, flags=re.IGNORECASE)
    named = [term for term in terms if term.strip()]
    return not named or any(says_nothing(re.sub("^licenseref-", "", term.strip().casefold())) for term in named)


def moves(revision: str) -> bool:
    """Whether a revision names no fixed state: it is empty, or a word such as `latest` or `main`."""
    word = revision.strip().casefold().rpartition("/")[2]
    return word in _MOVES or says_nothing(word)


def expand(pattern: str) -> Iterator[str]:
    """Yield the names a pattern stands for: `a-{b,c}{,-d}` is a-b, a-b-d, a-c and a-c-d."""
    head, brace, rest = pattern.partition("{")
    if not brace:
        yield pattern
        return
    options, _, tail = rest.partition("}")
    for option in options.split(","):
        for end in expand(tail):
            yield head + option + end


def _licence_key(text: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", re.sub("^licenseref-", "", text.strip().casefold()))

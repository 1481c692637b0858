"""The card of a release: counts, agreement, and the published bound on its errors, by domain. Knows no tables.

The bound is of rows whose answer no expert saw. The sample are the items drawn at random for the audit on which people
had agreed, also those that it took out; it bounds how many an expert would have changed (`quality.release_bound`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perceptlm.annotate.quality.release_bound import release_bound


@dataclass
class _Part:
    """Sums over some of the rows."""

    num_rows: int = 0
    num_adjudicated: int = 0
    num_by_people: int = 0
    num_audited: int = 0
    num_changed: int = 0
    num_annotators: int = 0
    agreement: float = 0.0
    num_with_agreement: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self.num_rows += 1
        self.num_adjudicated += row["adjudicated"]
        self.num_by_people += row["answered_by"] == "people"
        self.num_audited += row["audited"]
        self.num_changed += row["audit_changed"]
        self.num_annotators += row["num_annotators"]
        if row["agreement"] is not None:
            self.agreement += row["agreement"]
            self.num_with_agreement += 1

    def numbers(self, num_discarded: int) -> dict[str, Any]:
        bound = release_bound(self.num_changed + num_discarded, self.num_audited + num_discarded)
        agreement = self.agreement / self.num_with_agreement if self.num_with_agreement else None
        return {
            "num_rows": self.num_rows,
            "num_adjudicated": self.num_adjudicated,
            "mean_annotators": round(self.num_annotators / self.num_rows, 6) if self.num_rows else None,
            "mean_agreement": None if agreement is None else round(agreement, 6),
            "error_bound": {
                "num_rows": self.num_by_people,
                "num_audited": bound.num_audited,
                "num_wrong": bound.num_wrong,
                "upper": round(bound.upper, 9),
                "confidence": bound.confidence,
            },
        }


@dataclass
class Tally:
    """What is counted while rows pass; it grows with domains, licences and people, not with rows."""

    licences: Counter[str] = field(default_factory=Counter)
    _all: _Part = field(default_factory=_Part)
    _domains: dict[str, _Part] = field(default_factory=dict)
    _kinds: Counter[str] = field(default_factory=Counter)
    _guidelines: Counter[str] = field(default_factory=Counter)
    _policies: Counter[str] = field(default_factory=Counter)
    _people: set[str] = field(default_factory=set)
    _num_ceiling: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row."""
        self._all.add(row)
        self._domains.setdefault(row["domain"], _Part()).add(row)
        self.licences[row["asset"]["licence"]] += 1
        self._kinds[row["kind"]] += 1
        self._guidelines.update(map(str, row["guideline_versions"]))
        self._policies.update(map(str, row["policy_versions"]))
        self._people.update(row["people"])
        self._num_ceiling += bool(row["ceiling"])

    def card(self, num_discarded: Mapping[str, int]) -> dict[str, Any]:
        """Return the card; `num_discarded` items of each domain were taken out by the audit and are in no row."""
        domains = sorted({*self._domains, *num_discarded})
        return {
            **self._all.numbers(sum(num_discarded.values())),
            "num_people": len(self._people),
            "num_with_ceiling": self._num_ceiling,
            "kinds": dict(sorted(self._kinds.items())),
            "licences": dict(sorted(self.licences.items())),
            "guideline_versions": dict(sorted(self._guidelines.items())),
            "policy_versions": dict(sorted(self._policies.items())),
            "domains": {name: self._domains.get(name, _Part()).numbers(num_discarded.get(name, 0)) for name in domains},
        }

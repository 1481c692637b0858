"""The audit: every record's origin resolves, and nothing of the benchmark is in the training data.

Training data here is all that does not lie in the benchmark split. The audit reads records and the open-weights list,
changes nothing, and is no legal advice. The rules for one record are in `audit_rules`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from perceptlm.config import file_digest
from perceptlm.data.audit_rules import ADVICE, REASONS, Fault, Reason, faults_of
from perceptlm.data.dataset_files import Located, read_located, record_files
from perceptlm.data.open_weights import open_weights
from perceptlm.errors import DataError, MediaError
from perceptlm.media.pictures import resolve_media_path
from perceptlm.schema import Origin, Sample

BENCHMARK = "benchmark"
WARNINGS: tuple[Reason, ...] = ("recording shared with the benchmark",)
"""Reasons that are reported, but fail nothing."""
_NUM_FIRST = 5


@dataclass
class Finding:
    """All records with one fault: how many, the first messages (each once) and the first places."""

    reason: Reason
    count: int = 0
    messages: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def add(self, message: str, place: str) -> None:
        """Count a record; keep the message and the place if there is room."""
        self.count += 1
        if message not in self.messages and len(self.messages) < _NUM_FIRST:
            self.messages.append(message)
        if len(self.places) < _NUM_FIRST:
            self.places.append(place)


@dataclass(frozen=True)
class OriginCount:
    """One origin: how many records it has, their share, and, for a model, the family and licence on the list."""

    origin: Origin
    count: int
    share: float
    family: str | None
    model_licence: str | None


@dataclass(frozen=True)
class AuditReport:
    """What the audit found. `share_of_models` is by name, of all readable records."""

    num_records: int
    origins: tuple[OriginCount, ...]
    share_of_models: dict[str, float]
    failures: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "passed": self.passed,
            "num_records": self.num_records,
            "origins": [
                {
                    **item.origin.to_dict(),
                    "count": item.count,
                    "share": item.share,
                    "family": item.family,
                    "model_licence": item.model_licence,
                }
                for item in self.origins
            ],
            "share_of_models": self.share_of_models,
            "failures": [vars(finding) | {"advice": ADVICE[finding.reason]} for finding in self.failures],
            "warnings": [vars(finding) | {"advice": ADVICE[finding.reason]} for finding in self.warnings],
        }


def audit(
    samples: Iterable[Located],
    *,
    benchmark: Iterable[Located] = (),
    media_root: Path | None = None,
    each: Callable[[], object] = lambda: None,
) -> AuditReport:
    """Audit the training records `samples` and the `benchmark` records beside them; all are read once, in a stream.

    With `media_root`, media that both name are compared by content too: files of equal size by their digest. Memory
    grows with the benchmark, not with the training data. `each` is called after every record.
    """
    auditor = _Auditor(media_root)
    for record in benchmark:
        auditor.take_benchmark(record)
        each()
    for record in samples:
        auditor.take_training(record)
        each()
    return auditor.report()


def audit_directory(
    root: Path, *, media_root: Path | None = None, each: Callable[[], object] = lambda: None
) -> AuditReport:
    """Audit every split of a dataset directory; arguments are those of `audit`. DataError if it has no records."""
    training = [split for split in record_files(root) if split != BENCHMARK]
    return audit(
        read_located(root, training), benchmark=read_located(root, [BENCHMARK]), media_root=media_root, each=each
    )


class _Auditor:
    """Counts and findings so far, and what the benchmark holds."""

    def __init__(self, media_root: Path | None) -> None:
        self._known = open_weights()
        self._num_records = 0
        self._origins: Counter[Origin] = Counter()
        self._findings: dict[Reason, Finding] = {}
        self._faults = lru_cache(maxsize=4096)(lambda origin: faults_of(origin, self._known))
        self._ids: set[str] = set()
        self._clusters: set[str] = set()
        self._paths: set[str] = set()
        self._contents = None if media_root is None else _Contents(media_root)

    def take_benchmark(self, record: Located) -> None:
        sample = self._take(record)
        if sample is None:
            return
        self._ids.add(sample.id)
        if sample.cluster:
            self._clusters.add(sample.cluster)
        for path in _media_paths(sample):
            if path not in self._paths and self._contents is not None:
                self._contents.add(path)
            self._paths.add(path)

    def take_training(self, record: Located) -> None:
        sample = self._take(record)
        if sample is None:
            return
        if sample.split == BENCHMARK:
            self._add(record, Fault("benchmark record in training", f"sample {sample.id} says it is of the benchmark"))
        elif sample.id in self._ids:
            self._add(record, Fault("benchmark record in training", f"sample {sample.id} is in the benchmark as well"))
        for path in _media_paths(sample):
            shared = path if path in self._paths else None
            if shared is None and self._contents is not None:
                shared = self._contents.same_as(path)
            if shared is not None:
                twin = "" if shared == path else f", as {shared}"
                self._add(record, Fault("media shared with the benchmark", f"{path} is in the benchmark{twin}"))
                break  # counted by records, as every fault
        if sample.cluster in self._clusters:
            message = f"recording {sample.cluster} is in the benchmark as well"
            self._add(record, Fault("recording shared with the benchmark", message))

    def _take(self, record: Located) -> Sample | None:
        """Check the record's origin; return its Sample, or None if it is none."""
        self._num_records += 1
        if isinstance(record.found, DataError):
            message = record.found.message.removeprefix(f"{record.path}:{record.line}: ")
            self._add(record, Fault("unreadable record", message))
            return None
        self._origins[record.found.origin] += 1
        for fault in self._faults(record.found.origin):
            self._add(record, fault)
        return record.found

    def _add(self, record: Located, fault: Fault) -> None:
        self._findings.setdefault(fault.reason, Finding(fault.reason)).add(fault.message, record.place)

    def report(self) -> AuditReport:
        total = self._origins.total()
        found = [self._findings[reason] for reason in REASONS if reason in self._findings]
        models: Counter[str] = Counter()
        origins = []
        for origin, count in sorted(self._origins.items(), key=lambda item: (-item[1], item[0].model_dump_json())):
            model = self._known.find(origin.name) if origin.kind == "model" else None
            if origin.kind == "model":
                models[origin.name if model is None else model.name] += count
            family, licence = (None, None) if model is None else (model.family.name, model.licence_id)
            origins.append(OriginCount(origin, count, count / total, family, licence))
        return AuditReport(
            num_records=self._num_records,
            origins=tuple(origins),
            share_of_models={
                name: models[name] / total for name in sorted(models, key=lambda name: (-models[name], name))
            },
            failures=tuple(finding for finding in found if finding.reason not in WARNINGS),
            warnings=tuple(finding for finding in found if finding.reason in WARNINGS),
        )


def _media_paths(sample: Sample) -> list[str]:
    """Return the files a Sample names, in one spelling (`a/b` for `./a//b`)."""
    return [PurePosixPath(item.path).as_posix() for item in sample.media]


class _Contents:
    """The benchmark's media files by size and digest. Files that are not there are passed over; `validate` tells."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_size: dict[int, list[str]] = {}
        self._digest = lru_cache(maxsize=1 << 16)(self._compute_digest)
        self._training = lru_cache(maxsize=1 << 16)(self._compute_same_as)

    def add(self, relative: str) -> None:
        """Remember a file of the benchmark."""
        path = self._path(relative)
        if path is not None:
            self._by_size.setdefault(path.stat().st_size, []).append(relative)

    def same_as(self, relative: str) -> str | None:
        """Return a file of the benchmark with the same bytes, or None."""
        return self._training(relative)

    def _compute_same_as(self, relative: str) -> str | None:
        path = self._path(relative)
        if path is None:
            return None
        for other in self._by_size.get(path.stat().st_size, ()):
            if self._digest(other) == self._digest(relative):
                return other
        return None

    def _compute_digest(self, relative: str) -> str:
        return file_digest(self._root / relative)

    def _path(self, relative: str) -> Path | None:
        try:
            return resolve_media_path(self._root, relative)
        except MediaError:
            return None

"""The catalogue, a blend, an audit and a validation as lines of text for a terminal. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from perceptlm.data.audit import AuditReport, Finding
from perceptlm.data.audit_rules import ADVICE
from perceptlm.data.blend_counts import CountedSource
from perceptlm.data.catalogue import BLEND_STAGES, BlendStage, Dataset, PublishedBlend, catalogue
from perceptlm.data.validation import Validation
from perceptlm.report.listing import listing_lines, one_line

if TYPE_CHECKING:
    from perceptlm.data.decontamination import Match  # loads a video library


def catalogue_lines(datasets: Sequence[Dataset], *, notes: bool) -> list[str]:
    """Return a table of datasets and, if asked for, their notes.

    In the columns of blends a dash is no part of it, and `?` a part whose size is not stated.
    """
    header = (
        "dataset",
        "kind",
        "family",
        "task",
        "rows",
        *BLEND_STAGES,
        "licence",
        "labels by",
        "available",
        "format",
    )
    rows = [
        (
            item.key,
            item.kind,
            item.family,
            item.task,
            item.rows,
            *(_rows_in(item, stage) for stage in BLEND_STAGES),
            item.licence,
            ", ".join(item.labelled_by),
            item.availability,
            item.format,
        )
        for item in datasets
    ]
    told = [f"{item.key}: {one_line(item.note)}" for item in datasets if item.note] if notes else []
    return [*listing_lines(header, rows), *([""] if told else []), *told]


def published_lines(blend: PublishedBlend) -> list[str]:
    """Return a published blend: its lines with rows and shares, what they sum to, and what is missing of it."""
    header = ("line", "rows", "%", "licences", "available")
    rows = [
        (
            item.line.key,
            item.rows,
            100 * item.share,
            _each(dataset.licence for dataset in item.datasets),
            _each(dataset.availability for dataset in item.datasets),
        )
        for item in blend.lines
    ]
    total = f"{blend.sum_of_lines:,} rows in {len(rows)} lines; {blend.total.source} prints {blend.total.rows:,}"
    lines = [*listing_lines(header, rows), "", f"{total}: {blend.residual:+,}"]
    lines += [f"  {name}: {count:,} rows" for name, count in blend.rows_by_availability().items() if count]
    obstacles: dict[str, list[str]] = {}
    for item in blend.lines:
        for dataset in item.datasets:
            for obstacle in dataset.obstacles:
                obstacles.setdefault(obstacle, []).append(dataset.key)
    lines += ["", "in the way:", *(f"  {name}: {', '.join(keys)}" for name, keys in obstacles.items())]
    lines += ["", "does not add up, or is not stated:"]
    return [*lines, *(f"  {item.line.key}: {one_line(item.line.note)}" for item in blend.lines if item.line.note)]


def counted_lines(sources: Sequence[CountedSource]) -> list[str]:
    """Return a blend on disk: rows, repeats, rows an epoch shows, shares."""
    header = ("source", "data", "split", "rows", "repeats", "rows per epoch", "%")
    rows = [
        (
            item.source.name,
            str(item.source.data),
            item.source.split,
            item.rows,
            f"{item.source.repeats:g}",
            item.rows_per_epoch,
            100 * item.share,
        )
        for item in sources
    ]
    return [*listing_lines(header, rows), "", f"{sum(item.rows_per_epoch for item in sources):,} rows per epoch"]


def audit_lines(report: AuditReport) -> list[str]:
    """Return an audit: records by origin, every failure with its first places, and the verdict."""
    header = ("origin", "name", "revision", "licence", "family", "records", "%")
    rows = [
        (
            item.origin.kind,
            item.origin.name,
            item.origin.revision,
            item.origin.licence,
            item.family,
            item.count,
            100 * item.share,
        )
        for item in report.origins
    ]
    lines = listing_lines(header, rows) if rows else []
    for word, findings in (("failed", report.failures), ("note", report.warnings)):
        for finding in findings:
            lines += ["", f"{word}: {finding.reason}: {finding.count:,} records", *_details(finding)]
    num_failures = sum(finding.count for finding in report.failures)
    verdict = "passed" if report.passed else f"failed: {num_failures:,} faults of {len(report.failures)} kinds"
    return [*lines, "", f"{report.num_records:,} records: {verdict}"]


def validation_lines(found: Validation) -> list[str]:
    """Return every problem kept, how many there are in all, and what was looked at."""
    lines = [one_line(str(problem)) for problem in found.problems]
    if found.num_problems > len(found.problems):
        lines.append(f"... and {found.num_problems - len(found.problems):,} more")
    counts = ", ".join(f"{one_line(split)} {number:,}" for split, number in found.num_records.items())
    decoded = f", {found.num_decoded:,} opened" if found.num_decoded else ""
    verdict = f"{found.num_problems:,} problems" if found.num_problems else "good"
    counts += f" records, {found.num_pairs:,} with a rejected answer" if found.num_pairs else " records"
    return [*lines, f"{found.root}: {verdict} ({counts}; {found.num_media:,} media files{decoded})"]


def match_lines(matches: Sequence[Match], num_benchmark_media: int) -> list[str]:
    """Return every record whose media are a benchmark's, and how many there are."""
    lines = [one_line(f"{match.place}: {match.id}: {match.reason}") for match in matches]
    return [*lines, f"{len(matches)} records with one of the benchmark's {num_benchmark_media} media"]


def _details(finding: Finding) -> list[str]:
    more = " ..." if finding.count > len(finding.places) else ""
    return [
        *(f"  {one_line(message)}" for message in finding.messages),
        f"  at {one_line(', '.join(finding.places))}{more}",
        f"  hint: {ADVICE[finding.reason]}",
    ]


def _rows_in(item: Dataset, stage: BlendStage) -> int | str | None:
    rows = catalogue().rows_in(item, stage)
    return "?" if rows is None and catalogue().is_in(item, stage) else rows


def _each(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))

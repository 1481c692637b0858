"""`card.md`: what an export is, for people who are to decide whether to use it. Written from numbers alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perceptlm.annotate.export.export import ExportCounts

FILE = "card.md"
RELEASE_FILE = "release.json"


def render_card(counts: ExportCounts, ceiling: Mapping[str, Any] | None, manifest: Mapping[str, Any] | None) -> str:
    """Return the card in Markdown; `manifest` is that of a server's release, `ceiling` what people score."""
    lines = ["# Data card", ""]
    if manifest is not None:
        lines += [
            f"Release {manifest['release']} of the project `{manifest['project']}`: {manifest['purpose']}.", "",
            f"Rows: sha256 `{manifest['rows_sha256']}`; head of the audit log when it was drawn up: "
            f"`{manifest['audit']['head']}`.", "",
        ]  # fmt: skip
    lines += [
        "| what | number |", "| --- | ---: |",
        f"| rows of the release | {counts.num_rows} |",
        f"| Samples to train on | {counts.num_samples['train']} |",
        f"| questions of the held-out test | {counts.num_test_questions} |",
        f"| pairs of the held-out test | {counts.num_test_pairs} |",
        *(f"| left out, {reason} | {number} |" for reason, number in counts.left_out.items()), "",
        "Training and test are of different recordings, whole ones. All of it was read back before it was published.",
        "", *_ceiling(ceiling),
    ]  # fmt: skip
    if manifest is not None:
        lines += _release(manifest["card"])
    return "\n".join(lines).rstrip() + "\n"


def _ceiling(record: Mapping[str, Any] | None) -> list[str]:
    if record is None:
        return []
    found = record["all"]
    if found["score"] is None:
        return ["People's score on the test (human ceiling): not measured on any of its questions.", ""]
    interval = (
        "" if found["ci_low"] is None else f" (95 %: {100 * found['ci_low']:.1f} to {100 * found['ci_high']:.1f})"
    )
    return [
        f"People's score on the test (human ceiling, {record['metric']}): {100 * found['score']:.1f}{interval}, "
        f"{found['num_groups']} questions, {record['num_people']} people: {record['rule']}.",
        "",
    ]


def _release(card: Mapping[str, Any]) -> list[str]:
    return [
        "## How good the labels are", "", _bound_in_words(card["error_bound"]), "",
        "Agreement is the share of those who answered that gave the released answer.", "",
        "| domain | rows | by an expert | people per row | agreement | audited | changed | errors at most |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(name, part) for name, part in (*card["domains"].items(), ("all", card))), "",
        "## Where they come from", "",
        f"{card['num_people']} people. Kinds of items: {_counts(card['kinds'])}. "
        f"Licences of the media: {_counts(card['licences'])}. "
        f"Versions of the guideline: {_counts(card['guideline_versions'])}; of the policy: "
        f"{_counts(card['policy_versions'])}. {card['num_with_ceiling']} rows were also answered by people who had no "
        "part in them.",
    ]  # fmt: skip


def _bound_in_words(bound: Mapping[str, Any]) -> str:
    if not bound["num_audited"]:
        return f"No row was audited at random: nothing bounds the errors of the {bound['num_rows']} rows no expert saw."
    return (
        f"Of the {bound['num_rows']} rows whose answer no expert saw, fewer than {100 * bound['upper']:.2f} % are "
        f"wrong, with {100 * bound['confidence']:g} % confidence (Clopper-Pearson): experts saw {bound['num_audited']} "
        f"items drawn at random on which people had agreed, and changed {bound['num_wrong']}. Another wording of an "
        "answer in words counts as changed."
    )


def _line(name: str, part: Mapping[str, Any]) -> str:
    bound, agreement = part["error_bound"], part["mean_agreement"]
    annotators = part["mean_annotators"]
    cells = (
        name, part["num_rows"], part["num_rows"] - bound["num_rows"],
        "-" if annotators is None else f"{annotators:.2f}", "-" if agreement is None else f"{agreement:.3f}",
        bound["num_audited"], bound["num_wrong"], f"{100 * bound['upper']:.2f} %",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({number})" for name, number in numbers.items()) or "none"

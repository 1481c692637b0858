"""`card.md`: what an export is, for people who are to decide whether to use it. Written from numbers alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perceptlm.annotate.export.export import ExportCounts
    from perceptlm.annotate.fgqa.give_aways import BlindBias

FILE = "card.md"
RELEASE_FILE = "release.json"
SURPRISING = 0.01
"""A rule that sees no video and is right so often by chance less than once in a hundred tests is named."""


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
        "", *_ceiling(ceiling), *_blind_bias(counts.blind_bias),
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


def _blind_bias(bias: BlindBias | None) -> list[str]:
    """Return how well rules do that see no video, and how many answers their wording gives away."""
    if bias is None:
        return []
    lines = [
        "## Does the test need the video?", "",
        "How often a rule picks the answer that sees only the two options (ties left out, 50 % is chance):", "",
        "| rule | pairs | right | p |", "| --- | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name, found in bias.rules.items():
        share = "-" if not found.num_pairs else f"{100 * found.num_right / found.num_pairs:.1f} %"
        lines.append(f"| {name.replace('_', ' ')} | {found.num_pairs} | {share} | {found.p_value:.2g} |")
    told = sum(found.p_value < SURPRISING for found in bias.rules.values())
    lines += [
        "",
        "No rule is right more often than chance explains." if not told else
        f"**{told} of {len(bias.rules)} rules are right too often (p < {SURPRISING:g}): a model may do the same.**",
        f"Of {bias.num_questions} questions the wording tells the answer from all distractors: "
        f"{_counts({name.replace('_', ' '): number for name, number in bias.give_aways.items()})}.", "",
    ]  # fmt: skip
    return lines


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

"""The audit: a clean dataset passes, and a fault planted for every rule is found, named and placed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm.data.audit import WARNINGS, AuditReport, audit_directory
from perceptlm.data.audit_rules import ADVICE, REASONS, Reason, faults_of
from perceptlm.data.open_weights import open_weights
from perceptlm.schema import Origin, Sample

Make = Callable[..., Sample]
Write = Callable[..., Path]
COMMIT = "0e9e39f249a16976918f6564b8830bc894c89659"
LLAMA = {
    "kind": "model",
    "name": "meta-llama/Llama-3.2-90B-Vision-Instruct",
    "revision": COMMIT,
    "licence": "LicenseRef-Llama-3.2",
}


def by(sample: Sample, **origin: str) -> Sample:
    return sample.model_copy(update={"origin": Origin.model_validate(sample.origin.to_dict() | origin)})


def reasons(report: AuditReport) -> list[str]:
    return [finding.reason for finding in report.failures]


@pytest.mark.parametrize(
    "origin",
    [
        {"kind": "program", "name": "perceptlm.world", "revision": "0.1.0", "licence": "CC0-1.0"},
        {"kind": "person", "name": "PLM annotators", "revision": "2025-05-21", "licence": "CC-BY-4.0"},
        LLAMA,
        LLAMA | {"licence": "llama3.2"},
        LLAMA | {"licence": "CC-BY-4.0 AND LicenseRef-Llama-3.2"},
        LLAMA | {"name": "Qwen2.5-7B-Instruct", "licence": "CC-BY-4.0", "revision": "sha256:" + "a" * 64},
        LLAMA | {"name": "mistralai/Mistral-7B-Instruct-v0.3", "licence": "Apache-2.0", "revision": "v0.3"},
        LLAMA | {"name": "gemma-3-4b-it", "licence": "gemma"},
    ],
)
def test_an_origin_that_resolves(origin: dict[str, str]) -> None:
    assert faults_of(Origin.model_validate(origin), open_weights()) == ()


PLANTED: list[tuple[dict[str, str], Reason, str]] = [
    ({"name": "unknown"}, "origin without a name", "the name 'unknown' names no model"),
    ({"name": "LLM"}, "origin without a name", "the name 'LLM' names no model"),
    ({"kind": "person", "name": "Anonymous"}, "origin without a name", "names no person"),
    ({"kind": "program", "name": "GPT-4o"}, "model passed off as a person or program", "but the origin says program"),
    ({"kind": "person", "name": "Claude"}, "model passed off as a person or program", "but the origin says person"),
    ({"kind": "program"}, "model passed off as a person or program", "Llama-3.2-90B-Vision-Instruct' is a model"),
    ({"name": "gpt-4o-2024-08-06"}, "closed model", "it is one of OpenAI's models"),
    ({"name": "Gemini 1.5 Pro"}, "closed model", "Google's terms forbid"),
    ({"name": "somebody/Llama-3.2-90B-Vision-Instruct"}, "model not on the open-weights list", "is not on the open"),
    ({"name": "Meta-Llama-3-70B-Instruct", "licence": "LicenseRef-Llama-3"}, "output not allowed for training",
     "Meta Llama 3 Community License: output may improve no other"),
    ({"name": "Perception-LM-8B"}, "output use not known", "FAIR Noncommercial Research License"),
    ({"licence": "unknown"}, "licence missing", "the licence of the record is 'unknown'"),
    ({"licence": "  "}, "licence missing", "the licence of the record is '  '"),
    ({"licence": "CC-BY-4.0"}, "licence contradicts the list", "whose duties 'CC-BY-4.0' does not carry"),
    ({"licence": "MIT OR LicenseRef-Llama-3.2"}, "licence contradicts the list", "does not carry"),
    ({"revision": "main"}, "revision not fixed", "'main' names no fixed state"),
    ({"revision": "Latest"}, "revision not fixed", "'Latest' names no fixed state"),
    ({"revision": " "}, "revision not fixed", "' ' names no fixed state"),
    ({"kind": "program", "name": "drawer", "revision": "main"}, "revision not fixed", "'main' names no fixed state"),
    ({"revision": "the good one"}, "revision not recognised", "'the good one' is no commit, digest or version"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "message"), PLANTED)
def test_a_planted_fault_of_an_origin_is_the_one_found(
    write_dataset: Write, make_sample: Make, change: dict[str, str], reason: Reason, message: str
) -> None:
    good = [by(make_sample(f"{i}"), **LLAMA) for i in range(3)]
    root = write_dataset(train=[*good, by(make_sample("bad"), **(LLAMA | change)), make_sample("program")])
    report = audit_directory(root)
    assert reasons(report) == [reason]
    (finding,) = report.failures
    assert (finding.count, finding.places) == (1, ["train/samples.jsonl:4"])
    assert message in finding.messages[0]
    assert not report.passed


def test_benchmark_records_in_the_training_data(write_dataset: Write, make_sample: Make) -> None:
    benchmark = [make_sample("b", clip=1).model_copy(update={"split": "benchmark", "cluster": "held out"})]
    strayed = make_sample("c", clip=2).model_copy(update={"split": "benchmark"})
    copied = make_sample("b", clip=3)
    root = write_dataset(benchmark=benchmark, train=[make_sample("a"), strayed, copied])
    report = audit_directory(root)
    assert reasons(report) == ["benchmark record in training"]
    assert report.failures[0].places == ["train/samples.jsonl:2", "train/samples.jsonl:3"]
    assert report.failures[0].messages == [
        "sample c says it is of the benchmark",
        "sample b is in the benchmark as well",
    ]


def test_media_of_the_benchmark_in_the_training_data(write_dataset: Write, make_sample: Make) -> None:
    benchmark = make_sample("b", clip=1).model_copy(update={"split": "benchmark", "cluster": "held out"})
    spelt = benchmark.media[0].model_copy(update={"path": "train//videos/./1.mp4"})
    records = [make_sample("a"), make_sample("c", clip=1), make_sample("d").model_copy(update={"media": (spelt,)})]
    report = audit_directory(write_dataset(benchmark=[benchmark], train=records))
    assert reasons(report) == ["media shared with the benchmark"]
    assert report.failures[0].places == ["train/samples.jsonl:2", "train/samples.jsonl:3"]


def test_media_under_another_name_are_found_by_content(write_dataset: Write, make_sample: Make) -> None:
    benchmark = make_sample("b", clip=1).model_copy(update={"split": "benchmark", "cluster": "held out"})
    root = write_dataset(benchmark=[benchmark], train=[make_sample("a", clip=2), make_sample("c", clip=3)])
    assert audit_directory(root, media_root=root).passed  # as long, but other bytes
    (root / "train/videos/3.mp4").write_bytes((root / "train/videos/1.mp4").read_bytes())
    assert audit_directory(root).passed
    report = audit_directory(root, media_root=root)
    assert reasons(report) == ["media shared with the benchmark"]
    assert report.failures[0].messages == ["train/videos/3.mp4 is in the benchmark, as train/videos/1.mp4"]


def test_missing_and_strayed_media_stop_no_audit(write_dataset: Write, make_sample: Make, tmp_path: Path) -> None:
    benchmark = make_sample("b", clip=1).model_copy(update={"split": "benchmark", "cluster": "held out"})
    root = write_dataset(benchmark=[benchmark], train=[make_sample("a", clip=2), make_sample("c", clip=3)])
    (root / "train/videos/1.mp4").unlink()
    (root / "train/videos/2.mp4").unlink()
    (root / "train/videos/3.mp4").unlink()
    (root / "train/videos/3.mp4").symlink_to(tmp_path)
    assert audit_directory(root, media_root=root).passed


def test_a_shared_recording_is_told_but_fails_nothing(write_dataset: Write, make_sample: Make) -> None:
    benchmark = make_sample("b", clip=1).model_copy(update={"split": "benchmark", "cluster": "film 7"})
    near = make_sample("a", clip=2).model_copy(update={"cluster": "film 7"})
    report = audit_directory(write_dataset(benchmark=[benchmark], train=[near]))
    assert report.passed
    assert [finding.reason for finding in report.warnings] == ["recording shared with the benchmark"]
    assert report.warnings[0].messages == ["recording film 7 is in the benchmark as well"]


def test_a_record_that_cannot_be_read_fails(write_dataset: Write, make_sample: Make) -> None:
    report = audit_directory(write_dataset(train=[make_sample("a"), b"{}\n"]))
    assert reasons(report) == ["unreadable record"]
    assert (report.num_records, report.origins[0].count, report.origins[0].share) == (2, 1, 1.0)


def test_several_faults_of_one_record_are_all_told(write_dataset: Write, make_sample: Make) -> None:
    worst = by(make_sample("a"), kind="model", name="gpt-4", revision="latest", licence="unknown")
    assert reasons(audit_directory(write_dataset(train=[worst] * 3))) == [
        "closed model", "licence missing", "revision not fixed",
    ]  # fmt: skip


def test_counts_shares_and_the_first_places(write_dataset: Write, make_sample: Make) -> None:
    models = [
        by(
            make_sample(f"m{i}"),
            **LLAMA,
        )
        for i in range(2)
    ]
    closed = [by(make_sample(f"g{i}"), **(LLAMA | {"name": "gpt-4o"})) for i in range(7)]
    calls: list[int] = []
    root = write_dataset(train=[make_sample("p"), *models, *closed])
    report = audit_directory(root, each=lambda: calls.append(1))
    assert len(calls) == report.num_records == 10
    assert [(item.origin.name, item.count, item.family, item.model_licence) for item in report.origins] == [
        ("gpt-4o", 7, None, None),
        ("meta-llama/Llama-3.2-90B-Vision-Instruct", 2, "Llama 3.2-Vision", "LicenseRef-Llama-3.2"),
        ("test", 1, None, None),
    ]
    assert report.share_of_models == {"gpt-4o": 0.7, "meta-llama/Llama-3.2-90B-Vision-Instruct": 0.2}
    (finding,) = report.failures
    assert (finding.count, len(finding.messages), len(finding.places)) == (7, 1, 5)
    values = report.to_dict()
    assert values["failures"][0]["advice"] == ADVICE["closed model"]
    assert (values["passed"], values["origins"][2]["kind"]) == (False, "program")


def test_every_rule_has_a_planted_fault_and_advice() -> None:
    elsewhere = {"unreadable record", "benchmark record in training", "media shared with the benchmark", *WARNINGS}
    assert {reason for _, reason, _ in PLANTED} | elsewhere == set(REASONS) == set(ADVICE)

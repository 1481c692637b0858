"""The catalogue: every number of the paper's tables is there once, and what does not add up says by how much."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from perceptlm.data.catalogue import NOT_MODELS, Catalogue, catalogue, describe_dataset, published_blend
from perceptlm.data.open_weights import open_weights
from perceptlm.errors import UsageError


@pytest.mark.parametrize(
    ("stage", "printed", "lines", "total", "residual"),
    [("midtrain", 72_500_000, 24, 72_550_500, -50_500), ("sft", 19_100_000, 28, 19_172_500, -72_500)],
)
def test_the_blends_sum_to_what_is_printed_but_for_rounding(
    stage: str, printed: int, lines: int, total: int, residual: int
) -> None:
    blend = published_blend(stage)
    assert (blend.total.rows, len(blend.lines), blend.sum_of_lines, blend.residual) == (printed, lines, total, residual)
    assert sum(line.share for line in blend.lines) == pytest.approx(1)
    assert sum(blend.rows_by_availability().values()) == total
    assert abs(residual) < 0.005 * printed


def test_families_of_the_blends() -> None:
    def rows(stage: str, family: str) -> int:
        return sum(line.rows for line in published_blend(stage).lines if line.datasets[0].family == family)

    # facts/paper.md 2: about 66M synthetic and 6.5M human-labelled; the sum of Table 7's own lines is 67.2M and 5.4M.
    assert (rows("midtrain", "synthetic"), rows("midtrain", "human public")) == (67_154_500, 5_396_000)
    assert (rows("sft", "synthetic"), rows("sft", "human new")) == (8_234_500, 2_876_000)


def test_the_datasets_sum_to_the_totals_of_table_9() -> None:
    known = catalogue()
    off = {}
    for line in known.lines:
        rows = [item.rows for item in known.datasets_of(line)]
        if line.listed is not None and all(rows):
            off[line.key] = sum(rows) - line.listed  # type: ignore[arg-type]
    # Only grounding does not add up: by twice the number that stands at RefCOCO.
    assert {key: number for key, number in off.items() if number} == {"grounding": 425_846}
    refcoco = next(item for item in known.datasets if item.key == "refcoco")
    assert 2 * (refcoco.rows or 0) == 425_846
    assert len(off) == 28


def test_what_does_not_add_up_has_a_note() -> None:
    for stage in ("midtrain", "sft"):
        for item in published_blend(stage).lines:
            assert item.line.note or (item.residual is not None and abs(item.residual) <= 0.05 * item.rows), (
                item.line.key
            )
    for line in catalogue().lines:
        if line.listed and line.midtrain and abs(line.listed - line.midtrain) > 0.05 * line.midtrain:
            assert line.note, line.key


def test_rows_of_a_dataset_in_a_blend() -> None:
    def rows(key: str, stage: str) -> int | None:
        return describe_dataset(next(item for item in catalogue().datasets if item.key == key))[f"rows_in_{stage}"]

    assert (rows("pdfacc-qa", "midtrain"), rows("pdfacc-qa", "sft"), rows("pdfacc-cap", "sft")) == (
        12_000_000,
        2_000_000,
        None,
    )
    assert rows("vatex", "sft") == 259_910
    assert (rows("flan", "midtrain"), rows("flan", "sft"), rows("vcr", "sft")) == (1_386_050, None, None)


def test_who_wrote_labels_is_a_person_a_program_or_a_model_that_the_list_knows() -> None:
    strange = {
        name
        for item in catalogue().datasets
        for name in item.labelled_by
        if name not in NOT_MODELS and open_weights().find(name) is None
    }
    assert strange == {"Claude", "an unreleased first PLM"}
    for item in catalogue().datasets:
        if item.family == "synthetic":
            assert any(name not in NOT_MODELS for name in item.labelled_by), item.key


def test_obstacles_say_what_stands_in_the_way() -> None:
    found = {item.key: item.obstacles for item in catalogue().datasets}
    assert found["pixmo-cap"] == ("labels by Claude, a closed model",)
    assert found["magpie-pro"][-1] == "labels by Llama-3-70B-Instruct, whose licence does not allow training on them"
    assert found["plm-rcap"] == ("partly released", "licence not confirmed")
    assert found["docci"] == ()


def test_selecting() -> None:
    known = catalogue()
    assert {item.kind for item in known.select("video")} == {"video"}
    assert "pdfacc-cap" not in {item.key for item in known.select(stage="sft")}
    assert {item.key for item in known.select("text", "sft")} >= {"natural-reasoning", "flan"}
    assert len(known.select()) == len(known.datasets) == 71


def test_an_unknown_blend_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="no published blend of 'warmup'") as caught:
        published_blend("warmup")
    assert caught.value.hint is not None
    assert "midtrain, sft" in caught.value.hint


def test_keys_are_unique_and_lines_have_datasets() -> None:
    values = catalogue().to_dict()
    twice = next(item for item in values["datasets"] if item["key"] == "lima")
    with pytest.raises(ValidationError, match="the dataset 'lima' stands there twice"):
        Catalogue.model_validate(values | {"datasets": [*values["datasets"], twice]})
    with pytest.raises(ValidationError, match="datasets without a line: plm-fgqa"):
        Catalogue.model_validate(values | {"lines": [line for line in values["lines"] if line["key"] != "plm-fgqa"]})

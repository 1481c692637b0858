"""The demo's report: questions as the model met them, with their pictures: examples of each row, and ten failures.

Pictures are read from the world beside the evaluation, as the model was shown them, red boxes drawn. Every text goes to
the page as it is: the page escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perceptlm.data.sample_set import SampleSet
from perceptlm.eval.failures import Failure, failures
from perceptlm.eval.outcomes import Row
from perceptlm.eval.runner import ROWS
from perceptlm.eval.settings import ROW_NAMES
from perceptlm.eval.traits import describe_attributes
from perceptlm.exchange.jsonl import read_records
from perceptlm.media.contact_sheet import contact_sheet
from perceptlm.media.pictures import load_pictures
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.report.embed import embed_jpeg, embed_png
from perceptlm.report.page import Cards, ExampleCard
from perceptlm.schema import Sample

NUM_FAILURES = 10
_CARDS_PER_ROW = 3
_SHEET_COLUMNS = 8
_SHEET_CELL, _LONE_CELL = 128, 288
"""Width of a frame on a failure's sheet, and of a picture that stands alone, in pixels."""
_TITLES = {
    "fgqa": "FGQA: three fine-grained questions, all right",
    "sgqa": "SGQA: what the one behind the camera asks",
    "rcap": "RCap: what happens to the boxed thing",
    "rtloc": "RTLoc: when it happens",
    "rdcap": "RDCap: everything the boxed thing does, with times",
    "image": "Images: captions and questions",
}


def failure_section(folder: Path, recipe: DemoRecipe) -> list[Cards]:
    """Return the section of failures, as wide cards; none if nothing failed."""
    samples = _samples(folder, recipe)
    found = failures(folder / "eval", NUM_FAILURES)
    if not found:
        return []
    return [
        Cards(
            heading=f"{len(found)} failures",
            intro="The worst answers, taken in turn from every row and dimension: what the model was shown, frame by "
            "frame, what it was asked, and what it said. Among equally bad answers chance decides.",
            cards=[_failure_card(samples[failure.id], failure, folder / "world") for failure in found],
            is_wide=True,
        )
    ]


def example_sections(folder: Path, recipe: DemoRecipe) -> list[Cards]:
    """Return one section per row of the table: its best, its middle and its worst question."""
    samples = _samples(folder, recipe)
    rows = [row for row in read_records(folder / "eval" / ROWS, Row) if row.variant == "own"]
    sections = []
    for name in ROW_NAMES:
        chosen = choose_examples([row for row in rows if row.row == name and row.score.score is not None])
        cards = [_example_card(samples[row.id], row, folder / "world") for row in chosen]
        if cards:
            sections.append(Cards(heading=_TITLES[name], cards=cards))
    return sections


def choose_examples(rows: Sequence[Row], count: int = _CARDS_PER_ROW) -> list[Row]:
    """Return the best, the worst and the middle one: rows by score, then by id, taken at even distances."""
    ordered = sorted(rows, key=lambda row: (-(row.score.score or 0.0), row.id))
    if len(ordered) <= count:
        return ordered
    return [ordered[round(place * (len(ordered) - 1) / (count - 1))] for place in range(count)]


def _samples(folder: Path, recipe: DemoRecipe) -> dict[str, Sample]:
    return {sample.id: sample for sample in SampleSet.open(folder / "world", recipe.evaluation.split).samples}


def _failure_card(sample: Sample, failure: Failure, world: Path) -> ExampleCard:
    frames = _frames(sample, world, failure.num_frames)
    cell = _SHEET_CELL if len(frames) > 1 else _LONE_CELL
    sheet = contact_sheet(frames, columns=_SHEET_COLUMNS, cell_width=cell)
    remarks = [
        *(["could not be read as what was asked for"] if failure.parse_failed else []),
        *(["ran into the limit of tokens"] if failure.cut_off else []),
    ]
    return ExampleCard(
        title=f"{failure.row}, {failure.dimension or 'any'} ({failure.id})",
        picture=embed_png(sheet, alt=f"The {len(frames)} pictures shown for {failure.id}, in order"),
        question=failure.question,
        answer=failure.answer,
        truth=failure.truth,
        score=failure.score,
        verdict="; ".join(remarks),
        facts=[f"family: {failure.template}", *describe_attributes(failure.attributes)],
    )


def _example_card(sample: Sample, row: Row, world: Path) -> ExampleCard:
    sheet = contact_sheet(_frames(sample, world, row.num_frames), columns=4)
    return ExampleCard(
        title=f"{sample.id} ({sample.dimension or sample.task})",
        picture=embed_jpeg(sheet, alt=f"Frames shown for {sample.id}"),
        question=row.prompt,
        answer=row.prediction,
        truth=row.reference,
        score=row.score.score or 0.0,
        verdict="could not be read" if row.score.parse_failed else "",
    )


def _frames(sample: Sample, world: Path, num_frames: int) -> NDArray[np.uint8]:
    return np.stack(load_pictures(sample, world, num_frames=num_frames, choice="uniform").pictures)

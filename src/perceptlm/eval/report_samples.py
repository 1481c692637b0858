"""The samples of a report: for every row of the table its worst questions and some others, as a model met them.

Pictures are read again from the datasets, regions drawn, as few and as small as a page can carry. What cannot be read
is said on the page, for a report must be had when media are long gone. Asks no model.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perceptlm.data.dataset_files import read_located
from perceptlm.errors import DataError
from perceptlm.eval.benchmarks.plm_videobench.parsing import parse_segments, parse_span
from perceptlm.eval.outcomes import Row
from perceptlm.eval.results import Run
from perceptlm.eval.settings import ROW_NAMES
from perceptlm.eval.traits import describe_attributes
from perceptlm.log import progress
from perceptlm.media.contact_sheet import contact_sheet
from perceptlm.media.pictures import load_pictures
from perceptlm.media.sampling import uniform_indices
from perceptlm.report.browser import Bar, BrowserItem, Reply, SampleBrowser, Timeline, Tone
from perceptlm.report.embed import EmbeddedPicture, embed_jpeg
from perceptlm.report.text import percent
from perceptlm.schema import Sample
from perceptlm.seeding import derive_seed

NUM_SAMPLES = 40
_OTHERS_SHARE = 0.25
"""Of the samples of a row, those that are not its worst: spread over the rest."""
_MAX_UNSCORED = 5
_MAX_PICTURE_BYTES = 5 * 2**20
_NUM_FRAMES, _COLUMNS = 8, 4
_CELL_WIDTH, _LONE_WIDTH, _QUALITY = 136, 280, 70
_MAX_REMARKS = 6
_MAX_TEXT = 2000
_EVENT = re.compile(r"when '(.+)' happens", re.DOTALL)
_FILTERS = ("task", "dimension", "outcome")


@dataclass(frozen=True)
class _Place:
    """A Sample, and where the paths of its media begin."""

    sample: Sample
    root: Path


def sample_section(runs: Sequence[Run], num_samples: int = NUM_SAMPLES) -> list[SampleBrowser]:
    """Return the browser of `num_samples` questions of each row of the table; nothing for none."""
    chosen = [row for name in ROW_NAMES for row in choose(runs[0].own_rows(), name, num_samples)]
    if not chosen:
        return []
    places = _places(runs[0], {row.id for row in chosen})
    answers = {run.name: {row.id: row for row in run.own_rows()} for run in runs}
    items = []
    room = _MAX_PICTURE_BYTES
    with progress() as bar:
        task = bar.add_task("pictures", total=len(chosen))
        for row in chosen:
            picture, why_not = _picture(places.get(row.id), row, room)
            room -= len(picture.data) if picture else 0
            replies = {name: found[row.id] for name, found in answers.items() if row.id in found}
            items.append(_item(row, replies, picture, why_not))
            bar.advance(task)
    intro = (
        f"Of each row at most {num_samples} questions, the worst and some spread over the others, worst first"
        + (f", as {runs[0].name} answered them" if len(runs) > 1 else "")
        + "; those without a score stand last. Of the frames shown at most "
        f"{_NUM_FRAMES} are drawn, smaller, with the regions drawn on them."
    )
    return [SampleBrowser(heading="Samples", intro=intro, items=items, filters=_FILTERS)]


def choose(rows: Iterable[Row], name: str, num_samples: int) -> list[Row]:
    """Return questions of a row of the table: the worst, every so manieth of the others, and a few without a score.

    Among equals an order drawn from the ids decides; those whose reference no answer can meet come after their equals.
    """
    of_row = [row for row in rows if row.row == name]
    scored = sorted(
        (row for row in of_row if row.score.score is not None),
        key=lambda row: (row.score.score or 0.0, row.score.degenerate, derive_seed(0, "report", row.id)),
    )
    num_worst = min(len(scored), num_samples - int(num_samples * _OTHERS_SHARE))
    worst, rest = scored[:num_worst], scored[num_worst:]
    num_others = min(num_samples - num_worst, len(rest))
    others = [rest[place] for place in uniform_indices(len(rest), num_others)] if num_others else []
    unscored = [row for row in of_row if row.score.score is None][: min(_MAX_UNSCORED, num_samples)]
    return [*worst, *others, *unscored]


def outcome_of(row: Row) -> str:
    """Return in a word or two how a question ended."""
    score = row.score
    if score.score is None:
        return "model failed" if score.outcome == "error" else "unscored"
    if score.parse_failed:
        return "not read"
    return "right" if score.score >= 0.999 else "wrong" if score.score <= 0.001 else "partly right"


def gist_of(row: Row) -> str:
    """Return what tells a question from others of its row: the published prompts all begin alike."""
    if row.row in ("rcap", "rdcap"):
        return row.reference
    if row.row == "sgqa":
        return row.prompt.rpartition("video content: ")[2]
    quoted = _EVENT.search(row.prompt) if row.row == "rtloc" else None
    return row.prompt.removeprefix("Question: ") if quoted is None else quoted[1]


def _places(run: Run, ids: set[str]) -> dict[str, _Place]:
    found: dict[str, _Place] = {}
    for item in run.data:
        split = run.manifest.recipe.get("settings", {}).get("split", "benchmark")
        for located in read_located(item.directory, [split]):
            if isinstance(located.found, Sample) and located.found.id in ids:
                found[located.found.id] = _Place(located.found, item.root)
    return found


def _picture(place: _Place | None, row: Row, room: int) -> tuple[EmbeddedPicture | None, str]:
    """Return a contact sheet, or why there is none."""
    if place is None:
        return None, "No picture: the dataset is not where the evaluation found it (name it with --data)."
    if room <= 0:
        return None, "No picture: the page would grow too large."
    try:
        found = load_pictures(place.sample, place.root, num_frames=max(row.num_frames, 1), choice="uniform").pictures
    except DataError as error:  # a MediaError is one
        return None, f"No picture: {error.message}"
    shown = uniform_indices(len(found), _NUM_FRAMES)
    width = _CELL_WIDTH if len(shown) > 1 else _LONE_WIDTH
    sheet = contact_sheet(
        np.stack([found[number] for number in shown]),
        captions=[str(number) for number in shown],
        columns=_COLUMNS,
        cell_width=width,
    )
    return embed_jpeg(sheet, alt=f"{len(shown)} of the {len(found)} pictures shown for {row.id}", quality=_QUALITY), ""


def _item(row: Row, replies: Mapping[str, Row], picture: EmbeddedPicture | None, why_not: str) -> BrowserItem:
    filters = {"task": row.row, "dimension": row.dimension or "", "outcome": outcome_of(row)}
    return BrowserItem(
        title=row.id,
        gist=" ".join(gist_of(row).split()),
        question=_cut(row.prompt),
        truth=_cut(row.reference),
        score=_score(row),
        tone=_tone(row),
        replies=[_reply(name, item) for name, item in replies.items()],
        filters={name: value for name, value in filters.items() if value},
        picture=picture,
        no_picture=why_not,
        timeline=_timeline(row, replies),
        facts=[row.row, *([row.dimension] if row.dimension else []), *describe_attributes(row.attributes)],
    )


def _reply(name: str, row: Row) -> Reply:
    remarks = []
    if row.score.parse_failed:
        remarks.append("could not be read as what was asked for")
    if row.finish_reason == "length":
        remarks.append("ran into the limit of tokens")
    if row.score.degenerate:
        remarks.append("the reference holds an event too short for the frames shown")
    if row.score.reason is not None:
        remarks.append(f"no score: {row.score.reason}")
    low, high = row.score.bounds
    if low < high:
        remarks.append(f"had the judge not failed: {percent(low)} to {percent(high)}")
    for judgement in row.judgements[:_MAX_REMARKS]:
        remarks.append(_judged(row, judgement.id, judgement.value, judgement.reply, judgement.reason))
    if len(row.judgements) > _MAX_REMARKS:
        remarks.append(f"and {len(row.judgements) - _MAX_REMARKS} more verdicts")
    return Reply(name, _cut(row.prediction), _score(row), _tone(row), remarks)


def _judged(row: Row, name: str, value: float | None, reply: str | None, reason: str | None) -> str:
    pair = name.removeprefix(f"{row.id}/")
    about = "" if pair == row.id else f" (truth/answer {pair})"
    verdict = f"failed: {reason}" if value is None else percent(value, 0)
    return f"judge{about}: {verdict}" + (f" – {_cut(reply)}" if reply else "")


def _score(row: Row) -> str:
    return "–" if row.score.score is None else percent(row.score.score, 0)


def _tone(row: Row) -> Tone:
    if row.score.score is None:
        return "quiet"
    return "good" if row.score.score >= 0.999 else "bad" if row.score.score <= 0.001 else "fair"


def _timeline(row: Row, replies: Mapping[str, Row]) -> Timeline | None:
    """Draw the true and the told spans of a question about time."""
    if row.row not in ("rtloc", "rdcap"):
        return None
    lanes: dict[str, list[Bar]] = defaultdict(list)
    lanes["truth"] = _bars(row.row, row.reference)
    for name, item in replies.items():
        lanes[name] = _told(item)
    return Timeline(row.num_frames, list(lanes.items()))


def _told(row: Row) -> list[Bar]:
    """Return the spans as they were read when the answer was scored."""
    parsed = row.score.parsed
    if not isinstance(parsed, list):
        return []
    if row.row == "rtloc":
        return [Bar(float(str(parsed[0])), float(str(parsed[1])))] if len(parsed) == 2 else []
    return [Bar(float(str(s[0])), float(str(s[1])), str(s[2])) for s in parsed if isinstance(s, list) and len(s) == 3]


def _bars(row: str, text: str) -> list[Bar]:
    if row == "rdcap":
        return [Bar(segment.start, segment.end, segment.caption) for segment in parse_segments(text, "strict")]
    span = parse_span(text, "strict")
    return [] if span is None else [Bar(*span)]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} … ({len(text):,} characters)"

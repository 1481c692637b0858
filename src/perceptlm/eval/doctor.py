"""The doctor: what is wrong with a benchmark's files before a model is asked, and what can never score.

Three kinds of findings. `lost`: the item cannot be asked, and coverage sinks. `wrong`: the record contradicts itself or
another one. `noted`: as released, but a reader of scores should know it. Opens every media file once (or only looks
whether it is there); asks no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Literal

from pydantic import Field

from perceptlm.config import Config
from perceptlm.data.converters.shards import DroppedRow
from perceptlm.errors import MediaError
from perceptlm.eval.coverage import Coverage, Dropped, broken_groups, coverage_of
from perceptlm.eval.outcomes import BAD_MEDIA, BROKEN_GROUP, MISSING_MEDIA
from perceptlm.eval.questions import Question
from perceptlm.eval.record_checks import RecordFault, Twins, best_reachable, check_record, collapsed_spans
from perceptlm.eval.settings import ROW_NAMES, RowName
from perceptlm.log import progress
from perceptlm.media.image import image_size
from perceptlm.media.pictures import resolve_media_path
from perceptlm.media.video import Video
from perceptlm.schema import MediaRef

Level = Literal["lost", "wrong", "noted"]
MAX_EXAMPLES = 5

_MISSING, _UNREADABLE, _DIFFERS = "media file is missing", "media file cannot be decoded", "media file differs"
_GROUP = "group with a missing question, excluded as a whole"
_NOT_CONVERTED = "dropped by the conversion: "


@dataclass(frozen=True)
class Examined:
    """Questions of one place, and what its conversion dropped, by row of the table."""

    questions: Sequence[Question]
    dropped: dict[RowName, list[DroppedRow]] = field(default_factory=dict)
    unattributed: Sequence[DroppedRow] = ()
    """Dropped rows of which it is not known to which row of the table they belong."""
    unreadable: Sequence[tuple[str, str]] = ()
    """Lines that are no Sample, or one that cannot be asked about: where, and what is wrong."""


class Finding(Config):
    """One kind of trouble: how many items it concerns (`unit` names them), and some examples, `ID: what was found`."""

    level: Level
    what: str
    num: int
    unit: str
    examples: tuple[str, ...] = ()


class TaskHealth(Config):
    """The state of one row of the table. Items are groups for FGQA, questions elsewhere."""

    row: RowName
    num_questions: int
    coverage: Coverage
    num_collapsed_spans: int
    """Reference spans that begin and end on one shown frame."""
    num_never_scoring: int
    """Items whose best answer scores 0 because of them."""
    best_reachable: float | None
    """What the mean score of a perfect model would be, over the items that can be asked."""
    group_sizes: dict[str, int] = Field(default_factory=dict)
    """FGQA: number of questions of a group -> number of groups."""
    share_of_shown_frames_with_box: float | None = None
    findings: tuple[Finding, ...] = ()


class Diagnosis(Config):
    """What the doctor found."""

    num_frames: int
    num_media: int
    tasks: tuple[TaskHealth, ...]
    elsewhere: tuple[Finding, ...] = ()
    """What belongs to no row of the table."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, rows in order."""
        return (*(finding for task in self.tasks for finding in task.findings), *self.elsewhere)

    @property
    def is_healthy(self) -> bool:
        """Whether everything can be asked and no record is wrong."""
        return all(finding.level == "noted" for finding in self.findings)


class _Findings:
    """Collects findings by (level, what), in order of first sight."""

    def __init__(self, max_examples: int) -> None:
        self._max = max_examples
        self._found: dict[tuple[Level, str, str], tuple[set[str], list[str]]] = {}

    def add(self, level: Level, what: str, item: str, detail: str = "", unit: str = "questions") -> None:
        items, examples = self._found.setdefault((level, what, unit), (set(), []))
        if item not in items:
            items.add(item)
            if len(examples) < self._max:
                examples.append(f"{item}: {detail}" if detail else item)

    def listed(self) -> tuple[Finding, ...]:
        order: tuple[Level, ...] = ("lost", "wrong", "noted")
        return tuple(
            Finding(level=level, what=what, unit=unit, num=len(items), examples=tuple(examples))
            for (level, what, unit), (items, examples) in sorted(
                self._found.items(), key=lambda e: order.index(e[0][0])
            )
        )


def examine(
    places: Sequence[Examined], *, num_frames: int, open_media: bool = True, max_examples: int = MAX_EXAMPLES
) -> Diagnosis:
    """Return what is wrong with the questions of all `places`, asked with `num_frames` pictures.

    Without `open_media` the doctor only looks whether files are there.
    """
    questions = [question for place in places for question in place.questions]
    media = check_all_media(questions, open_media=open_media)
    tasks = []
    for row in ROW_NAMES:
        asked = [question for question in questions if question.row == row]
        dropped = [item for place in places for item in place.dropped.get(row, ())]
        if asked or dropped:
            tasks.append(_examine_task(row, asked, dropped, media, num_frames, max_examples))
    elsewhere = _Findings(max_examples)
    for place in places:
        _add_dropped(elsewhere, place.unattributed)
        for where, message in place.unreadable:
            elsewhere.add("lost", "record is not valid", where, message, unit="records")
    return Diagnosis(num_frames=num_frames, num_media=len(media), tasks=tuple(tasks), elsewhere=elsewhere.listed())


Fault = tuple[str, str]
"""What is wrong with a media file, and what was found."""
MediaFaults = dict[tuple[Path, MediaRef], Fault | None]


def check_all_media(questions: Iterable[Question], *, open_media: bool) -> MediaFaults:
    """Return what is wrong with every media file that a question needs; None if nothing is."""
    found: MediaFaults = dict.fromkeys(
        (question.root, _file(item)) for question in questions for item in question.sample.media
    )
    with progress() as bar:
        task = bar.add_task("media", total=len(found))
        for root, item in found:
            found[root, item] = _media_fault(root, item, open_media)
            bar.advance(task)
    return found


def _file(item: MediaRef) -> MediaRef:
    """Return the whole file that a clip is part of, so that it is opened once."""
    return item.model_copy(update={"start_seconds": None, "end_seconds": None, "frame_step": 1})


def _media_fault(root: Path, item: MediaRef, open_media: bool) -> Fault | None:
    try:
        path = resolve_media_path(root, item.path)
    except MediaError as error:
        return _MISSING, error.message.removeprefix(f"{root / item.path}: ")
    if not open_media:
        return None
    try:
        if item.kind == "image":
            found = (*image_size(path), 1)
        else:
            with Video(path) as video:
                found = (video.table.width, video.table.height, video.table.num_frames)
                if found == (item.width, item.height, item.num_frames):
                    video.frames([found[2] - 1])
    except MediaError as error:
        return _UNREADABLE, error.message.removeprefix(f"{path}: ")
    width, height, number = found
    if number != item.num_frames:
        return _DIFFERS, f"has {number} frames, its record says {item.num_frames}"
    if (width, height) != (item.width, item.height):
        return _DIFFERS, f"is {width}x{height}, its record says {item.width}x{item.height}"
    return None


def _examine_task(
    row: RowName,
    questions: Sequence[Question],
    dropped: Sequence[DroppedRow],
    media: MediaFaults,
    num_frames: int,
    max_examples: int,
) -> TaskHealth:
    findings = _Findings(max_examples)
    reasons = _media_findings(questions, media, findings)
    lost = Dropped.of(dropped)
    broken = broken_groups(questions, reasons, lost) if row == "fgqa" else frozenset()
    for question in questions:
        if question.row == "fgqa" and question.unit in broken:
            findings.add("lost", _GROUP, question.unit, unit="groups")
            reasons.setdefault(question.sample.id, BROKEN_GROUP)
    _add_dropped(findings, dropped)
    twins = Twins()
    boxes: list[float] = []
    for question in questions:
        checked = check_record(question, num_frames)
        for fault in (*checked.faults, *twins.compare(question)):
            _add_fault(findings, question, fault)
        if checked.share_with_box is not None:
            boxes.append(checked.share_with_box)
    askable = [question for question in questions if question.sample.id not in reasons]
    best = {question.unit: best_reachable(question) for question in askable}
    return TaskHealth(
        row=row,
        num_questions=len(questions),
        coverage=coverage_of(((question.unit, reasons.get(question.sample.id)) for question in questions), lost),
        num_collapsed_spans=sum(len(collapsed_spans(question)) for question in questions),
        num_never_scoring=sum(value == 0 for value in best.values()),
        best_reachable=fmean(best.values()) if best else None,
        group_sizes=_group_sizes(questions) if row == "fgqa" else {},
        share_of_shown_frames_with_box=fmean(boxes) if boxes else None,
        findings=findings.listed(),
    )


def _media_findings(questions: Sequence[Question], media: MediaFaults, findings: _Findings) -> dict[str, str]:
    """Note missing and damaged files; return the questions that cannot be asked, with the reason."""
    reasons: dict[str, str] = {}
    for question in questions:
        for item in question.sample.media:
            fault = media[question.root, _file(item)]
            if fault is not None:
                what, detail = fault
                findings.add("lost", what, item.path, detail, unit="files")
                reasons[question.sample.id] = MISSING_MEDIA if what == _MISSING else BAD_MEDIA
    return reasons


def _add_dropped(findings: _Findings, dropped: Iterable[DroppedRow]) -> None:
    for row in dropped:
        findings.add("lost", _NOT_CONVERTED + row.reason, f"{row.file} row {row.row}", row.detail, unit="rows")


def _add_fault(findings: _Findings, question: Question, fault: RecordFault) -> None:
    level: Level = "wrong" if fault.is_wrong else "noted"
    findings.add(level, fault.what, question.sample.id, fault.detail)


def _group_sizes(questions: Iterable[Question]) -> dict[str, int]:
    sizes = Counter(Counter(question.unit for question in questions).values())
    return {str(size): sizes[size] for size in sorted(sizes)}

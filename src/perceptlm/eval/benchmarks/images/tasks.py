"""How one answer to a question of an image benchmark becomes a score, in each profile.

`strict` follows what the benchmark's authors published, `lmms-eval-0.7.2` that tool; PLM was evaluated with it
(facts/evaluation.md), so `paper` does too, after taking one full stop off the end of an answer as PLM's wrapper does.
RefCOCO is not among the tasks the paper's authors ran there: `paper` reads its boxes as `strict` does. CIDEr is a
number of all captions together: `corpus.with_captions_scored` gives it. This module asks no model and opens no file.
"""

from __future__ import annotations

from perceptlm.eval.benchmarks.images import metrics
from perceptlm.eval.benchmarks.images.answer_words import evalai_words, one_line, vqa_words
from perceptlm.eval.benchmarks.images.table import ImageRow, image_row
from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile
from perceptlm.eval.outcomes import Score
from perceptlm.eval.questions import Question
from perceptlm.schema import BoxTrack, TextAnswer

LATER = "CIDEr needs the captions of all questions"


def is_image_benchmark(question: Question) -> bool:
    """Whether the question is one of an image benchmark."""
    return image_row(question.sample) is not None


def score_image(question: Question, text: str, profile: Profile = "strict") -> Score:
    """Score `text` as the answer to a question of an image benchmark."""
    row = image_row(question.sample)
    if not isinstance(question.sample.answer, TextAnswer) or row is None:
        return Score(outcome="unscored", reason=f"the reference of a {question.row} question must hold text")
    if row == "coco_captions":
        return Score(outcome="unscored", reason=LATER, parse_failed=not text.strip())
    rule: metrics.Rule = "authors" if profile == "strict" else "lmms"
    if profile not in ("strict", "lmms-eval-0.7.2"):
        text = text.removesuffix(".")
    if row == "refcoco":
        return _score_box(question, text, "lmms" if profile == "lmms-eval-0.7.2" else "authors")
    if row == "pope":
        return _score_yes_or_no(question, text, rule)
    value, parsed = _score_text(row, text, question.sample.answer, rule)
    return Score(outcome="value", score=value, parsed=parsed, parse_failed=not text.strip())


def _score_text(row: ImageRow, text: str, answer: TextAnswer, rule: metrics.Rule) -> tuple[float, str]:
    """Return the score, and the text as it was compared."""
    references = answer.references
    if row == "docvqa":
        return metrics.anls(text, references, rule), text.strip()
    if row == "chartqa":
        return metrics.relaxed_accuracy(text, references[0], rule), text.strip()
    if row == "textvqa":
        said = evalai_words(text)
        return metrics.vqa_accuracy(said, [evalai_words(reference) for reference in references]), said
    if rule == "authors":
        said = vqa_words(one_line(text))
        return metrics.vqa_accuracy(said, [vqa_words(one_line(reference)) for reference in references]), said
    said, known = evalai_words(text), [one_line(reference) for reference in references]
    if len(set(known)) > 1:
        said, known = vqa_words(said), [vqa_words(reference) for reference in known]
    return metrics.vqa_accuracy(said, known), said


def _score_yes_or_no(question: Question, text: str, rule: metrics.Rule) -> Score:
    said = metrics.yes_or_no(text, rule)
    right = said == question.reference.strip().lower()
    return Score(outcome="value", score=float(right), parsed=said, parse_failed=said is None)


def _score_box(question: Question, text: str, rule: metrics.Rule) -> Score:
    (media,) = question.sample.media
    region = question.sample.regions[0] if question.sample.regions else None
    if not isinstance(region, BoxTrack) or 0 not in region.boxes:
        return Score(outcome="unscored", reason="the reference of a refcoco question must hold a box")
    box = metrics.read_box(text, media.width, media.height, rule)
    iou = 0.0 if box is None else metrics.box_iou(box, region.boxes[0])
    parsed = None if box is None else {"box": [round(side, 3) for side in box], "iou": round(iou, 6)}
    return Score(outcome="value", score=float(metrics.is_found(iou, rule)), parsed=parsed, parse_failed=box is None)

"""One answer to one score, whatever the row: the five PLM-VideoBench tasks, and the image row.

The image row is the mean over image questions: a caption scores its fact F1, a question 1 if the judge calls the answer
right (or the right option is named) and 0 otherwise. This module asks no model and opens no file.
"""

from __future__ import annotations

from perceptlm.eval.benchmarks.images.table import IMAGE_METRICS, IMAGE_ROWS
from perceptlm.eval.benchmarks.images.tasks import is_image_benchmark, score_image
from perceptlm.eval.benchmarks.plm_videobench import tasks
from perceptlm.eval.benchmarks.plm_videobench.parsing import Profile
from perceptlm.eval.judges.procedural import JUDGE_NAME
from perceptlm.eval.outcomes import Score
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import RowName
from perceptlm.schema import ChoiceAnswer

METRICS: dict[RowName, str] = {
    "fgqa": "multi-binary accuracy: share of groups with every question right",
    "sgqa": f"accuracy by judge ({JUDGE_NAME}; right means F1 = 1 on the asked slots)",
    "rcap": f"mean judge score ({JUDGE_NAME})",
    "rtloc": "mean recall at temporal IoU > 0.3, 0.5, 0.7, 0.9",
    "rdcap": f"SODA_c: temporal IoU x judge score ({JUDGE_NAME})",
    "image": f"mean of question accuracy and caption score by judge ({JUDGE_NAME})",
    **{row: IMAGE_METRICS[row] for row in IMAGE_ROWS},
}


def score_answer(question: Question, text: str, profile: Profile = "strict") -> Score:
    """Score `text` as the answer to `question`."""
    if is_image_benchmark(question):
        return score_image(question, text, profile)
    if question.row == "rtloc":
        return tasks.score_span(question, text, profile)
    if question.row == "rdcap":
        return tasks.score_dense_caption(question, text, profile)
    if question.row == "fgqa" or isinstance(question.sample.answer, ChoiceAnswer):
        return tasks.score_choice(question, text, profile)
    if question.row == "rcap" or question.sample.task == "image_caption":
        return tasks.score_caption(question, text)
    return tasks.score_open_answer(question, text)

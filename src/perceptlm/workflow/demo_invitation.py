"""What the reader may try at once: commands for a shell about a clip and a picture of the demo, and about an own file.

The paths in them are relative to wherever the caller says that the demo's directory is. Knows no page.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from perceptlm.data.sample_set import SampleSet
from perceptlm.eval.outcomes import Row
from perceptlm.eval.runner import ROWS
from perceptlm.eval.settings import RowName
from perceptlm.exchange.jsonl import read_records
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.schema import Sample
from perceptlm.world.prompts import SGQA, VIDEO_CAPTION

OWN_FILE = "YOUR_VIDEO.mp4"
"""Stands for a file of the reader's."""
_LONG_INSTRUCTION = SGQA[0].removesuffix("{question}")


@dataclass(frozen=True)
class Invitation:
    """One command: what it does, and the arguments of `plm`."""

    about: str
    arguments: tuple[str, ...]

    def line(self, program: str) -> str:
        """Return the line for a shell; `program` is put in front as it is."""
        return f"{program} {shlex.join(self.arguments)}"


def make_invitations(folder: Path, recipe: DemoRecipe, *, shown_as: PurePath) -> list[Invitation]:
    """Return the commands for the finished demo in `folder`, whose directory they call `shown_as`.

    Questions that the model answered best are taken, the first among equals. A kind of question that was not asked is
    left out.
    """
    samples = {sample.id: sample for sample in SampleSet.open(folder / "world", recipe.evaluation.split).samples}
    rows = [row for row in read_records(folder / "eval" / ROWS, Row) if row.variant == "own"]
    model = ("--model", str(shown_as / recipe.stages[-1].name))

    def ask(about: str, verb: str, row: Row, *question: str) -> Invitation:
        option, path = _media(samples, row, shown_as)
        return Invitation(about, (verb, *model, option, path, *question))

    found = []
    clip, image = _best_answered(rows, "sgqa"), _best_answered(rows, "image")
    if clip is not None:
        question = clip.prompt.removeprefix(_LONG_INSTRUCTION)
        found.append(ask(f"A clip that it never saw. {_truth(clip)}", "generate", clip, question))
    if image is not None:
        found.append(ask(f"A picture that it never saw. {_truth(image)}", "generate", image, image.prompt))
    if clip is not None:
        found.append(ask("Your own questions about that clip, one a line; Ctrl-D ends", "chat", clip))
    own = ("generate", *model, "--video", OWN_FILE, VIDEO_CAPTION[0])
    found.append(Invitation("A file of your own; it knows only the drawn world, so expect its words for yours", own))
    return found


def _truth(row: Row) -> str:
    return f"The truth: {' '.join(row.reference.split())}"


def _best_answered(rows: Sequence[Row], name: RowName) -> Row | None:
    # Of one line: a question with options below would be hard to type again.
    asked = [row for row in rows if row.row == name and row.score.score is not None and "\n" not in row.prompt]
    return max(asked, key=lambda row: row.score.score or 0.0, default=None)


def _media(samples: Mapping[str, Sample], row: Row, shown_as: PurePath) -> tuple[str, str]:
    (media,) = samples[row.id].media
    return f"--{media.kind}", str(shown_as / "world" / media.path)

"""How PLM-VideoBench asks: the published wording of its five tasks, word for word.

Interface data of facts/reference-implementation.md 2.5 and facts/evaluation.md 1.2 to 1.6. Frame numbers are those of
`schema.placeholders`. Knows no clip and no data set.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from perceptlm.schema.placeholders import LAST_FRAME, NUM_FRAMES

LETTERS = string.ascii_uppercase

FGQA = "Question: {question}\nOptions:\n{options}\nOnly give the best option."
SGQA = (
    "The following question is asked by the camera wearer at the end of the video.  Provide a detailed answer even if "
    "unsure.  Try to answer in around 20-30 words.  Now answer the following question based on the video content: "
    "{question}"
)
RCAP = (
    "Give a detailed description of the events occurring in the region marked by the red rectangle within frames "
    f"[{{start}}, {{end}}] in this {NUM_FRAMES} frame video."
)
RTLOC = (
    "Given the region marked by the red rectangle in the video, please provide the start and end frame of when "
    "'{caption}' happens. Use the format [start, end] where start and end are frame numbers between 0 and "
    f"{LAST_FRAME} in this {NUM_FRAMES} frame video."
)
RDCAP = (
    "Create a dense caption of the subject's actions within the red rectangles, including action frames ids and brief "
    "descriptions. For each item use the format [start, end]: [description] separated by a newline, where start and "
    f"end are frame numbers between 0 and {LAST_FRAME} in this {NUM_FRAMES} frame video."
)


def option_lines(options: Sequence[str]) -> str:
    """Return one line '(A) text' per option."""
    return "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))


def fields_of(prompt: str, text: str) -> dict[str, str] | None:
    """Return what fills the fields of a prompt of this module in `text`; None if it is not that prompt, filled in."""
    names = [name for _, name, _, _ in string.Formatter().parse(prompt) if name]
    pattern = re.escape(prompt)
    for name in names:
        pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>.*?)")
    found = re.fullmatch(pattern, text, flags=re.DOTALL)
    return None if found is None else found.groupdict()

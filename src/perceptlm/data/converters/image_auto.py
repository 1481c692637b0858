"""PLM-Image-Auto: captions and questions about images and pages, written by models.

Columns: facts/paper.md section 8 (of `arxivqa` they were seen in part only). `image` is a path. Who wrote them:
section 3.
"""

from __future__ import annotations

from typing import Literal

from perceptlm.data.converters.context import Context
from perceptlm.data.converters.conversations import turns_of
from perceptlm.data.converters.rows import Row, attributes_of, fill_path
from perceptlm.schema import Sample, Task, TextAnswer

ImageSet = Literal["sa1b", "ucsf", "pdfacc", "openimages", "obj365", "arxivqa"]

_SOURCE_IDS: dict[ImageSet, str] = {
    "sa1b": "image_id", "ucsf": "uuid", "pdfacc": "uuid", "openimages": "uuid", "obj365": "id", "arxivqa": "uuid",
}  # fmt: skip
TASKS: dict[ImageSet, Task] = {
    "sa1b": "image_caption", "openimages": "image_caption", "obj365": "image_caption",
    "ucsf": "image_qa", "pdfacc": "image_qa", "arxivqa": "image_qa",
}  # fmt: skip


class ImageAuto:
    """Rows of one of the six sets."""

    columns = ("image", "conversations")
    has_own_keys = False

    def __init__(self, context: Context, image_set: ImageSet) -> None:
        self._context = context
        self._set = image_set

    def convert(self, row: Row, place: str) -> Sample:
        """Return the conversation about the row's image."""
        image = self._context.media.image(fill_path(self._context.video_path, row))
        turns = turns_of(row.get("conversations"))
        return self._context.sample(
            place,
            (image,),
            task=self._context.task or TASKS[self._set],
            turns=turns,
            answer=TextAnswer(text=turns[-1].text),
            cluster=image.path,
            attributes=attributes_of(row, source_id=_SOURCE_IDS[self._set], page="page"),
        )

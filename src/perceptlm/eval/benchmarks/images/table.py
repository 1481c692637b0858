"""Which image benchmarks there are: one row of the results table each, and the metric it is named by.

A Sample says which it belongs to in its attribute `benchmark` (`data.converters` write it), and in `subset` which part
of it: POPE's category, ChartQA's human or augmented questions, RefCOCO's split. Knows no answer and opens no file.
"""

from __future__ import annotations

from typing import Literal, get_args

from perceptlm.schema import Sample

ImageRow = Literal["docvqa", "chartqa", "textvqa", "vqav2", "pope", "refcoco", "coco_captions"]
IMAGE_ROWS: tuple[ImageRow, ...] = get_args(ImageRow)

BENCHMARK, SUBSET = "benchmark", "subset"
"""The attributes of a Sample that name its benchmark and the part of it."""

IMAGE_METRICS: dict[ImageRow, str] = {
    "docvqa": "ANLS: similarity by edit distance to the nearest reference, 0 from half of the letters wrong on",
    "chartqa": "relaxed accuracy: numbers within 5 %, other answers word for word",
    "textvqa": "VQA accuracy: min(n / 3, 1) of the other nine people, mean over the ten",
    "vqav2": "VQA accuracy: min(n / 3, 1) of the other nine people, mean over the ten",
    "pope": "accuracy of yes and no (F1, precision, recall and the share of yes: `published`)",
    "refcoco": "share of boxes with IoU > 0.5",
    "coco_captions": "CIDEr-D / 10, document frequencies from the references of all captions asked for",
}

IMAGE_TOKENS: dict[ImageRow, int] = {
    "docvqa": 128, "chartqa": 16, "textvqa": 32, "vqav2": 16, "pope": 128, "refcoco": 32, "coco_captions": 64,
}  # fmt: skip
"""The longest answer in tokens: lmms-eval's where it sets one (not for TextVQA and RefCOCO)."""


def image_row(sample: Sample) -> ImageRow | None:
    """Return the row of the image benchmark that a Sample belongs to; None if it belongs to none."""
    name = sample.attributes.get(BENCHMARK)
    return next((row for row in IMAGE_ROWS if row == name), None)

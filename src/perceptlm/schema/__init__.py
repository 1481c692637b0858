"""Records that leave and enter the program: Sample and its parts, as frozen pydantic models."""

from perceptlm.schema.records import (
    Answer,
    ChoiceAnswer,
    DenseAnswer,
    Fact,
    MediaRef,
    Origin,
    Segment,
    SpanAnswer,
    TextAnswer,
    TimeSpan,
    Turn,
)
from perceptlm.schema.regions import Box, BoxTrack, Mask, Masklet, Region
from perceptlm.schema.sample import BENCHMARK_TASKS, REGION_TASKS, Dimension, Sample, Split, Task

__all__ = [
    "BENCHMARK_TASKS",
    "REGION_TASKS",
    "Answer",
    "Box",
    "BoxTrack",
    "ChoiceAnswer",
    "DenseAnswer",
    "Dimension",
    "Fact",
    "Mask",
    "Masklet",
    "MediaRef",
    "Origin",
    "Region",
    "Sample",
    "Segment",
    "SpanAnswer",
    "Split",
    "Task",
    "TextAnswer",
    "TimeSpan",
    "Turn",
]

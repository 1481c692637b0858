"""schema.records: what the parts of a Sample refuse."""

import pytest
from pydantic import TypeAdapter, ValidationError

from perceptlm.schema import Answer, BoxTrack, ChoiceAnswer, DenseAnswer, MediaRef, Origin, TextAnswer, TimeSpan


def media(**changes):
    return MediaRef(**{"kind": "video", "path": "a/b.mp4", "width": 4, "height": 4, **changes})


@pytest.mark.parametrize("path", ["a.png", "train/videos/000001.mp4", "a b/ü..mp4", "..a/b"])
def test_paths_inside_the_dataset(path):
    assert media(path=path).path == path


@pytest.mark.parametrize("path", ["", "/etc/passwd", "..", "../a", "a/../../b", "a\\..\\b", "a\0b", "a/.."])
def test_paths_outside_the_dataset_are_refused(path):
    with pytest.raises(ValidationError, match="inside the dataset"):
        media(path=path)


@pytest.mark.parametrize("rate", ["8", "30000/1001", "29.97", None])
def test_rational_rates(rate):
    assert media(frames_per_second=rate).frames_per_second == rate


@pytest.mark.parametrize("rate", ["", "0", "1/0", "-8", "fast", "1e999999999", "nan", "8/", "0/5", " 8"])
def test_other_rates_are_refused_at_once(rate):
    with pytest.raises(ValidationError, match="frames_per_second"):
        media(frames_per_second=rate)


@pytest.mark.parametrize("field", ["width", "height", "num_frames"])
def test_sizes_are_positive(field):
    with pytest.raises(ValidationError, match=field):
        media(**{field: 0})


def test_a_span_may_be_one_frame_but_not_reversed_or_negative():
    assert TimeSpan(start_frame=3, end_frame=3).end_frame == 3
    for start, end in [(3, 2), (-1, 2)]:
        with pytest.raises(ValidationError):
            TimeSpan(start_frame=start, end_frame=end)


@pytest.mark.parametrize(
    "boxes",
    [{0: (2, 0, 1, 1)}, {0: (0, 1, 1, 1)}, {-1: (0, 0, 1, 1)}, {0: (0, 0, float("nan"), 1)}, {0: (0, 0, 1)}],
)
def test_empty_reversed_and_undefined_boxes_are_refused(boxes):
    with pytest.raises(ValidationError):
        BoxTrack(subject="a", boxes=boxes)


def test_a_choice_needs_its_option():
    with pytest.raises(ValidationError, match="only 2 options"):
        ChoiceAnswer(options=("a", "b"), index=2)
    with pytest.raises(ValidationError):
        ChoiceAnswer(options=("a",), index=0)


def test_an_answer_is_read_by_its_type():
    reader = TypeAdapter(Answer)
    assert reader.validate_python({"type": "text", "text": "x"}) == TextAnswer(text="x")
    with pytest.raises(ValidationError):
        reader.validate_python({"type": "guess", "text": "x"})
    with pytest.raises(ValidationError):
        DenseAnswer(segments=())


def test_an_origin_says_who_which_and_under_what_licence():
    with pytest.raises(ValidationError):
        Origin(kind="model", name="m", revision="", licence="MIT")

"""schema.records: what the parts of a Sample refuse."""

import pytest
from pydantic import TypeAdapter, ValidationError

from perceptlm.schema import Answer, BoxTrack, ChoiceAnswer, DenseAnswer, MediaRef, Origin, TextAnswer, TimeSpan


def media(**changes):
    return MediaRef(**{"kind": "video", "path": "a/b.mp4", "width": 4, "height": 4, **changes})


@pytest.mark.parametrize("path", ["a.png", "train/videos/000001.mp4", "a b/ü..mp4", "..a/b"])
def test_paths_inside_the_dataset(path):
    assert media(path=path).path == path


@pytest.mark.parametrize("path", ["", "/etc/passwd", "..", "../a", "a/../../b", "a\\..\\b", "a\0b", "a/..", "a//../b"])
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


def clip(**changes):
    return media(num_frames=48, frames_per_second="8", **changes)


def test_a_clip_is_of_the_frames_of_its_seconds():
    assert clip().frames == range(48)
    assert clip(start_seconds="1.5", end_seconds="13/4").frames == range(12, 27)
    assert clip(start_seconds="0").frames == clip(end_seconds="60").frames == range(48)
    assert clip(start_seconds="5", frame_step=4).frames == range(40, 48, 4)
    assert media(kind="image").frames == range(1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_seconds": "2", "end_seconds": "2"}, "ends at 2 s, not after its start"),
        ({"end_seconds": "0"}, "not after its start"),
        ({"start_seconds": "6"}, "begins at 6 s, after the last of 48 frames"),
        ({"start_seconds": "-1"}, "not a rational"),
        ({"end_seconds": "1e9"}, "not a rational"),
        ({"end_seconds": "1/0"}, "not a rational"),
        ({"start_seconds": "1", "frames_per_second": None}, "needs the file's frames_per_second"),
        ({"kind": "image", "start_seconds": "0"}, "an image has no clips"),
        ({"kind": "image", "frame_step": 4}, "an image has no clips"),
        ({"frame_step": 0}, "frame_step"),
    ],
)
def test_clips_that_are_none_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        media(**{"num_frames": 48, "frames_per_second": "8", **changes})


def test_a_whole_file_is_written_as_before_there_were_clips():
    fields = ["kind", "path", "width", "height", "num_frames", "frames_per_second"]
    assert list(clip().to_dict()) == list(media(kind="image").to_dict()) == fields
    partly = clip(start_seconds="1.5", frame_step=4)
    assert partly.to_dict() == clip().to_dict() | {"start_seconds": "1.5", "frame_step": 4}
    for item in (clip(), partly):
        assert MediaRef.model_validate_json(item.model_dump_json()) == item


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


def test_further_references_are_written_only_where_there_are_any():
    plain, several = TextAnswer(text="two"), TextAnswer(text="two", others=("2", "two"))
    assert plain.model_dump() == {"type": "text", "text": "two", "facts": ()}
    assert several.model_dump()["others"] == ("2", "two")
    assert TextAnswer.model_validate(several.model_dump()) == several
    assert (plain.references, several.references) == (("two",), ("two", "2", "two"))


def test_an_origin_says_who_which_and_under_what_licence():
    with pytest.raises(ValidationError):
        Origin(kind="model", name="m", revision="", licence="MIT")

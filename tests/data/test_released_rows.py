"""Samples written as released rows: what cannot be said in a row is an error, and uids group as the release's do."""

from __future__ import annotations

import pytest

from perceptlm.data.released_rows import box_rows, released_rows
from perceptlm.errors import DataError
from perceptlm.schema import (
    BoxTrack,
    ChoiceAnswer,
    DenseAnswer,
    MediaRef,
    Origin,
    Sample,
    Segment,
    SpanAnswer,
    TextAnswer,
    TimeSpan,
    Turn,
    benchmark_prompts,
)
from perceptlm.schema.placeholders import frame_placeholder

VIDEO = MediaRef(kind="video", path="videos/a.mp4", width=64, height=48, num_frames=40, frames_per_second="6")
SPAN = TimeSpan(start_frame=3, end_frame=9)


def make_sample(task, question, answer, **values):
    return Sample(
        id="x", task=task, split="benchmark", media=(VIDEO,), answer=answer, cluster="a", template=task,
        turns=(Turn(role="user", text=question), Turn(role="assistant", text="...")),
        origin=Origin(kind="program", name="me", revision="1", licence="CC0-1.0"), **values,
    )  # fmt: skip


def fgqa(group, options=("red", "blue"), **values):
    question = benchmark_prompts.FGQA.format(question="Which?", options=benchmark_prompts.option_lines(options))
    return make_sample("fgqa", question, ChoiceAnswer(options=options, index=1), group=group, **values)


def region(boxes, subject="thing-2"):
    return (BoxTrack(subject=subject, boxes=boxes),)


def test_questions_of_a_group_share_their_qa_uid_and_the_beginning_of_their_uid():
    rows = released_rows([fgqa("g"), fgqa("g"), fgqa("h")], source="set", key="k")
    assert [(row["uid"], row["qa_uid"]) for row in rows] == [
        ("kq00000_0", "kq00000"), ("kq00000_1", "kq00000"), ("kq00001_0", "kq00001"),
    ]  # fmt: skip
    assert rows[0]["question"] == "Which?"
    assert rows[0]["options"] == {"option_0": "red", "option_1": "blue"}
    assert (rows[0]["answer"], rows[0]["answer_index"]) == ("blue", 1)
    assert rows[0]["metadata"]["source_end_time"] == 6.667
    assert rows[0]["metadata"]["source_dataset"] == "set"


def test_region_rows_say_spans_in_the_files_frames():
    boxes = region({3: (1.0, 2.0, 3.5, 4.0)})
    start, end = frame_placeholder(3), frame_placeholder(9)
    rcap = make_sample(
        "rcap",
        benchmark_prompts.RCAP.format(start=start, end=end),
        TextAnswer(text="It jumps."),
        regions=boxes,
        span=SPAN,
    )
    caption = "it says 'happens. Use the format' twice"
    rtloc = make_sample("rtloc", benchmark_prompts.RTLOC.format(caption=caption), SpanAnswer(span=SPAN), regions=boxes)
    parts = (Segment(span=SPAN, caption="It jumps."),)
    rdcap = make_sample("rdcap", benchmark_prompts.RDCAP, DenseAnswer(segments=parts), regions=boxes)
    common = {"uid": 0, "video": "a.mp4", "masklet_id": 2, "total_frames": 40}
    said = {"start_frame": 3, "end_frame": 9, "caption": "It jumps."}
    assert released_rows([rcap], source="", key="") == [common | said]
    assert released_rows([rtloc], source="", key="") == [common | said | {"caption": caption}]
    assert released_rows([rdcap], source="", key="") == [common | {"dense_captions": [said]}]
    (line,) = box_rows([rcap, rtloc, rdcap])
    assert (line["video"], line["masklet_id"], len(line["bbox"])) == ("a.mp4", 2, 40)
    assert line["bbox"]["3"] == [1, 2, 3.5, 4]
    assert line["bbox"]["4"] is None


def test_what_no_row_can_say_is_an_error():
    with pytest.raises(DataError, match="published wording"):
        released_rows([make_sample("sgqa", "What?", TextAnswer(text="That."))], source="", key="")
    with pytest.raises(DataError, match="no question with two options"):
        released_rows([fgqa("g", options=("a", "b", "c"))], source="", key="")
    with pytest.raises(DataError, match="no one region"):
        box_rows([make_sample("rdcap", "?", TextAnswer(text="."))])
    with pytest.raises(DataError, match="ends in no number"):
        box_rows([make_sample("rcap", "?", TextAnswer(text="."), regions=region({0: (0, 0, 9, 9)}, "ball"))])
    one, two = (make_sample("rcap", "?", TextAnswer(text="."), regions=region({0: (0, 0, x, 9)})) for x in (8, 9))
    with pytest.raises(DataError, match="other boxes of masklet 2"):
        box_rows([one, two])

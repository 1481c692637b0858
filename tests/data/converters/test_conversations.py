"""LLaVA's JSON, the public code's training JSONL, and PLM's synthetic sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perceptlm.data.converters.convert import convert
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.errors import DataError, UsageError
from perceptlm.schema import BoxTrack, ChoiceAnswer, Sample

BOX = [0, 0, 9, 9]
ORIGIN = "person:DOCCI:v1:CC-BY-4.0"


def said(*texts: str, roles: tuple[str, str] = ("human", "assistant")) -> list[dict[str, str]]:
    return [{"from": roles[place % 2], "value": text} for place, text in enumerate(texts)]


def test_an_image_of_llava(converted: Any) -> None:
    talk = said("<image>\nWhat?", "A cup.", "Red?", "Yes.", roles=("human", "gpt"))
    (sample,) = converted("llava", [{"id": "x1", "image": "a.png", "conversations": talk}], "rows.json", origin=ORIGIN)
    assert (sample.id, sample.task, sample.media[0].width, sample.media[0].height) == ("llava.0.0", "image_qa", 40, 20)
    assert [(turn.role, turn.text) for turn in sample.turns] == [
        ("user", "<image>\nWhat?"), ("assistant", "A cup."), ("user", "Red?"), ("assistant", "Yes."),
    ]  # fmt: skip
    assert sample.attributes == {"source_id": "x1"}
    assert sample.origin.model_dump() == {"kind": "person", "name": "DOCCI", "revision": "v1", "licence": "CC-BY-4.0"}


def test_several_images_stand_where_they_are_marked(converted: Any, dropped: Any) -> None:
    rows = [
        {"image": ["a.png", "pages/b.png"], "conversations": said("<image> and <image>: alike?", "Yes.")},
        {"image": ["a.png", "pages/b.png"], "conversations": said("<image> alone?", "No.")},
    ]
    (sample,) = converted("reference", rows, "rows.jsonl", origin=ORIGIN)
    assert sample.images_in_text
    assert dropped() == [(1, "makes no valid sample")]


def judged(chosen: Any, rejected: Any, *texts: str, **more: Any) -> dict[str, Any]:
    return {"conversations": said(*texts or ["What?"]), "chosen": chosen, "rejected": rejected, **more}


def answer(text: str, role: str = "gpt") -> dict[str, str]:
    return {"from": role, "value": text}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_two_answers_of_which_one_was_chosen(converted: Any, name: str) -> None:
    rows = [
        judged(answer("A cup."), answer("A cat."), "<image>\nWhat?", image="a.png"),
        judged(answer("Yes.", "assistant"), answer("No."), "What?", "A cup.", "Red?"),
        {"conversations": said("2 + 2?", "4.")},
        {"conversations": said("2 + 2?", "4."), "chosen": None, "rejected": None},
    ]
    samples = converted("llava", rows, name, origin=ORIGIN)
    assert [(sample.reference, sample.rejected) for sample in samples] == [
        ("A cup.", "A cat."), ("Yes.", "No."), ("4.", None), ("4.", None),
    ]  # fmt: skip
    assert samples[0].answer.text == "A cup."
    assert [turn.text for turn in samples[1].turns] == ["What?", "A cup.", "Red?", "Yes."]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (judged(answer("x"), None), "no answer in 'rejected'"),
        (judged("x", answer("y")), "no answer in 'chosen'"),
        (judged(answer("x"), {"from": "gpt", "value": 3}), "no answer in 'rejected'"),
        (judged(answer("x"), answer("y", "human")), "'rejected' is not the assistant's"),
        (judged(answer("x"), answer(" x\n")), "both answers are the same"),
        (judged(answer("x"), answer(" ")), "empty answer"),
        (judged(answer(" "), answer("x")), "empty answer"),
        (judged(answer("x"), answer("y"), "What?", "z"), "turns do not alternate up to an answer"),
        (judged(answer("x"), answer("<|frame:1|>")), "text holds a placeholder"),
        (judged(answer("x"), answer("\ud800")), "text is not valid Unicode"),
        ({"text": "x", "chosen": answer("x"), "rejected": answer("y")}, "no conversation"),
    ],
)
def test_judgements_that_cannot_be_used(converted: Any, dropped: Any, row: dict[str, Any], reason: str) -> None:
    converted("llava", [{"conversations": said("2 + 2?", "4.")}, row], "rows.jsonl", origin=ORIGIN)
    assert dropped() == [(1, reason)]


def test_text_and_captions(converted: Any) -> None:
    rows = [
        {"conversations": said("2 + 2?", "4.")},
        {"image": "a.png", "text": "A grey field."},
        {"video": "cut.mp4", "text": "It grows brighter."},
        {"image": "a.png", "conversations": [{"from": "gpt", "value": "Hello."}, *said("What?", "Grey.")]},
    ]
    samples = converted("reference", rows, "rows.jsonl", origin=ORIGIN)
    assert [sample.task for sample in samples] == ["text_qa", "image_caption", "video_caption", "image_qa"]
    assert samples[0].media == ()
    assert [turn.text for turn in samples[1].turns] == ["", "A grey field."]
    assert [turn.text for turn in samples[3].turns] == ["What?", "Grey."]


def test_boxes_of_images_are_said_in_the_text(converted: Any) -> None:
    """Of a picture of 480x640, of which the file is a smaller copy."""
    talk = said("What is in <|bbox0|>?", "A leaf, unlike <|bbox1|>.")
    boxes = [[10, 20, 30, 40], [0, 0, 480, 640]]
    row = {"image": "a.png", "bbox": boxes, "width": 480, "height": 640, "conversations": talk}
    (sample,) = converted("reference", [row], "rows.jsonl", origin=ORIGIN)
    assert sample.task == "grounding"
    assert sample.box_texts == ("[020,031,083,093]", "[000,000,999,999]")


def test_a_clip_with_boxes(converted: Any) -> None:
    row = {
        "video": "COIN/long.mp4", "start_time": 1, "end_time": 2.5, "bbox_map": {"8": [4, 4, 40, 28], "9": None},
        "conversations": said("What does it do?", "It shines."),
    }  # fmt: skip
    (sample,) = converted("reference", [row], "rows.jsonl", origin=ORIGIN)
    assert (sample.task, sample.media[0].start_seconds, sample.media[0].frames) == ("video_qa", "1", range(8, 21))
    assert sample.regions == (BoxTrack(subject="subject", boxes={8: (4, 4, 40, 28)}),)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"image": "a.png"}, "no conversation"),
        ({"image": "a.png", "conversations": said("What?")}, "turns do not alternate up to an answer"),
        ({"image": "a.png", "conversations": said("What?", " ")}, "empty answer"),
        ({"image": "a.png", "conversations": [{"from": "bing", "value": "x"}]}, "unknown role"),
        ({"image": "a.png", "conversations": said("<|bbox0|>?", "x")}, "text holds a placeholder"),
        (
            {"image": "a.png", "bbox": [[0, 0, 9, 9]], "conversations": said("<|bbox1|>?", "x")},
            "text speaks of a box that is not there",
        ),
        (
            {"image": "a.png", "bbox": [[0, 0, 9, 9]], "conversations": said("<|bbox0|>?", "<|frame:1|>")},
            "text holds a placeholder",
        ),
        ({"image": "a.png", "bbox": [[0, 0, 0, 9]], "conversations": said("<|bbox0|>?", "x")}, "no valid box"),
        ({"image": "a.png", "bbox": ["left"], "conversations": said("<|bbox0|>?", "x")}, "no valid box"),
        ({"bbox": [[0, 0, 9, 9]], "conversations": said("<|bbox0|>?", "x")}, "boxes without a single image"),
        ({"image": "a.png", "video": "cut.mp4", "conversations": said("?", "x")}, "an image and a video"),
        ({"image": 3, "conversations": said("?", "x")}, "no file name"),
        ({"image": "/etc/hostname", "conversations": said("?", "x")}, "media path leads outside the media root"),
        ({"image": "broken.mp4", "conversations": said("?", "x")}, "media file cannot be read"),
        ({"video": "cut.mp4", "start_time": 9, "conversations": said("?", "x")}, "makes no valid clip"),
        ({"video": "cut.mp4", "start_time": -1, "conversations": said("?", "x")}, "no time in 'start_time'"),
        (
            {"video": "cut.mp4", "bbox_map": {"16": [0, 0, 9, 9]}, "conversations": said("?", "x")},
            "box beyond the video",
        ),
        ({"conversations": said("?", "\ud800")}, "text is not valid Unicode"),
        ({"id": "\ud800", "conversations": said("?", "x")}, "text is not valid Unicode"),
        ({"image": "\ud800.png", "conversations": said("?", "x")}, "media path leads outside the media root"),
        ({"image": "a" * 5000, "conversations": said("?", "x")}, "no such media file"),
        ({"image": "a\0.png", "conversations": said("?", "x")}, "media path leads outside the media root"),
        ({"image": "a.png", "bbox": [[0, 0, 1e999, 9]], "conversations": said("<|bbox0|>?", "x")}, "no valid box"),
        ({"video": "cut.mp4", "end_time": "1e99999999", "conversations": said("?", "x")}, "no time in 'end_time'"),
        ({"video": "cut.mp4", "bbox_map": {"x": BOX}, "conversations": said("?", "x")}, "no valid box"),
        ({"video": "cut.mp4", "bbox_map": {"1": "x"}, "conversations": said("?", "x")}, "no valid box"),
    ],
)
def test_rows_that_cannot_be_used(converted: Any, dropped: Any, row: dict[str, Any], reason: str) -> None:
    good = {"conversations": said("2 + 2?", "4.")}
    assert len(converted("reference", [good, row], "rows.jsonl", origin=ORIGIN)) == 1
    assert dropped() == [(1, reason)]


def test_lines_that_are_no_rows(dropped: Any, write_rows: Any, tmp_path: Path) -> None:
    path = write_rows([{"conversations": said("2 + 2?", "4.")}], "rows.jsonl")
    path.write_bytes(path.read_bytes() + b"[1]\n\n{bad}\n\xff\n")
    sources = Sources((path,))
    convert(tmp_path / "converted", sources, settings_for("llava", sources, origin=ORIGIN), max_dropped=0.9)
    assert dropped() == [(1, "not a JSON object"), (2, "not a JSON line"), (3, "not a JSON line")]


@pytest.mark.parametrize("origin", [None, "person:me", "robot:a:b:c", "person:::", "a:b:c:d:e"])
def test_an_origin_must_be_given(converted: Any, origin: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        converted("llava", [{"conversations": said("?", "x")}], "rows.jsonl", origin=origin)
    assert "--origin kind:name:revision:licence" in caught.value.hint


def test_files_need_a_media_root(write_rows: Any, tmp_path: Path) -> None:
    sources = Sources((write_rows([{"image": "a.png", "conversations": said("?", "x")}], "rows.jsonl"),))
    with pytest.raises(UsageError, match="no --media DIR"):
        convert(tmp_path / "out", sources, settings_for("llava", sources, origin=ORIGIN))


AUTO = {
    "sa1b": {"image_id": "1"},
    "ucsf": {"uuid": "1", "pdf": "p.pdf", "page_id": "0", "caption": "A page."},
    "pdfacc": {"uuid": "1", "page": 3},
    "openimages": {"uuid": "1", "llama3v_80b_cap": "c"},
    "obj365": {"id": 1, "llama3v_80b_cap": "c"},
    "arxivqa": {"arxiv_id": "2211.02201", "uuid": "1", "page": 3},
}


@pytest.mark.parametrize("image_set", AUTO)
def test_synthetic_images(converted: Any, image_set: str) -> None:
    row = {
        "image": "pages/b.png",
        "conversations": said("Describe.", "Grey.", roles=("human", "gpt")),
        **AUTO[image_set],
    }
    (sample,) = converted(f"image-auto-{image_set}", [row])
    is_page = image_set in ("ucsf", "pdfacc", "arxivqa")
    assert sample.task == ("image_qa" if is_page else "image_caption")
    assert sample.origin.name == ("Llama-3.3-70B-Instruct" if is_page else "Llama-3.2-90B-Vision-Instruct")
    assert (sample.origin.kind, sample.origin.licence) == ("model", "LicenseRef-Llama-3.2")
    assert sample.attributes["source_id"] in ("1", 1)


def test_rows_of_json_that_lack_a_field(converted: Any, dropped: Any) -> None:
    row = {"image": "a.png", "conversations": said("Describe.", "Grey.")}
    assert len(converted("image-auto-sa1b", [row, {"image": "a.png"}, {}], "rows.jsonl")) == 1
    assert dropped() == [(1, "no conversation"), (2, "no file name in 'image'")]


def video(**columns: Any) -> dict[str, Any]:
    return {"video_id": "long", "start_time": 1.0, "end_time": 2.0, **columns}


@pytest.mark.parametrize(
    ("name", "columns", "task", "reference"),
    [
        ("yt1b-caption", {"caption": "It grows brighter."}, "video_caption", "It grows brighter."),
        ("ego4d-caption", {"conversations": said("Tell.", "Bright.")}, "video_caption", "Bright."),
        ("ego4d-qa", {"question": "How?", "answer": "Bright."}, "video_qa", "Bright."),
        ("yt1b-mcqa", {"question": "How?", "options": ["Dark", "Bright"], "answer": "B"}, "mcq", "(B) Bright"),
        ("yt1b-mcqa", {"question": "How?", "options": ["Dark", "Bright"], "answer": "Dark"}, "mcq", "(A) Dark"),
    ],
)
def test_synthetic_videos(converted: Any, name: str, columns: Any, task: str, reference: str) -> None:
    sample: Sample
    (sample,) = converted(f"video-auto-{name}", [video(**columns)], video_path="COIN/{video}.mp4")
    assert (sample.task, sample.reference, sample.media[0].frames) == (task, reference, range(8, 17))
    assert isinstance(sample.answer, ChoiceAnswer) == (name == "yt1b-mcqa")
    writer = "Llama-3.1-405B-Instruct" if name.startswith("ego4d") else "Llama-3.3-70B-Instruct"
    assert sample.origin.name == writer


def test_columns_of_other_names(converted: Any) -> None:
    rows = [{"clip": "cut.mp4", "words": "It grows brighter."}]
    for columns, message in [
        ({}, "no column is known to name the video; the columns are clip, words"),
        (
            {"video": "clip"},
            "no column is known to hold conversations, caption or question and answer; the columns are clip",
        ),
        ({"video": "film"}, "there is no column 'film' for the field 'video'; the columns are clip, words"),
        ({"film": "clip"}, "there is no field 'film'"),
    ]:
        with pytest.raises(UsageError, match=message):
            converted("video-auto-yt1b-caption", rows, columns=columns)
    (sample,) = converted("video-auto-yt1b-caption", rows, columns={"video": "clip", "caption": "words"})
    assert (sample.media[0].path, sample.reference) == ("cut.mp4", "It grows brighter.")


def test_a_file_of_another_format(converted: Any) -> None:
    with pytest.raises(DataError, match=r"has no column qa_id, segment_id, .*; its columns are image, conversations"):
        converted("human-fgqa", [{"image": "a.png", "conversations": said("?", "x")}])

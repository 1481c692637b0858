"""Image benchmarks: rows of their public files, written by hand, and what is said of those that cannot be used."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perceptlm.data.converters.convert import convert, preview
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.rows import RowError
from perceptlm.data.converters.settings import Sources
from perceptlm.errors import DataError, UsageError
from perceptlm.eval.questions import make_question
from perceptlm.exchange.jsonl import read_lines, read_records
from perceptlm.media.image import write_png
from perceptlm.schema import BoxTrack, Sample

Files = dict[str, Any]
Made = tuple[list[Sample], list[tuple[int, str]]]
Make = Callable[..., Made]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of 100 x 50 under the names that the data sets give theirs (all of them PNG within)."""
    root = tmp_path_factory.mktemp("pictures")
    for name in ("documents/xnbl0037_1.png", "png/41699051005347.png", "003a8ae2ef43b901.jpg", "a.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        write_png(root / name, np.full((50, 100, 3), 90, np.uint8))
    for number in (262148, 393225):
        write_png(root / f"COCO_val2014_{number:012d}.jpg", np.full((50, 100, 3), 90, np.uint8))
    return root


@pytest.fixture
def make(tmp_path: Path, pictures: Path) -> Make:
    """Write files, convert them as one set, and return the Samples and (row, reason) of what was dropped."""

    def run(name: str, files: Files, **values: Any) -> Made:
        paths = []
        for file, content in files.items():
            paths.append(tmp_path / file)
            lines = "".join(json.dumps(row) + "\n" for row in content) if file in LINES else json.dumps(content)
            paths[-1].write_text(lines)
        sources = Sources(tuple(paths), pictures)
        settings = settings_for(name, sources, **values)
        assert preview(sources, settings).num_rows > 0
        out = convert(tmp_path / "out", sources, settings, max_dropped=0.99)
        samples = list(read_records(out / settings.split / "samples-00000.jsonl", Sample))
        return samples, [(line["row"], line["reason"]) for _, line in read_lines(out / "dropped.jsonl")]

    return run


LINES = ("coco_pope_random.json", "coco_pope_popular.json", "refcoco_testA.jsonl", "hub.jsonl", "karpathy.jsonl")
"""Files of a JSON object per line, whatever they are called."""


def docvqa(**changes: Any) -> dict[str, Any]:
    row = {
        "questionId": 49153, "question": "What is the ‘actual’ value per 1000?", "question_types": ["figure/diagram"],
        "image": "documents/xnbl0037_1.png", "docId": 14465, "ucsf_document_id": "xnbl0037",
        "ucsf_document_page_no": "1", "answers": ["0.28", "0.280"], "data_split": "val",
    }  # fmt: skip
    return row | changes


def test_docvqa(make: Make) -> None:
    rows = [
        docvqa(),
        docvqa(questionId=2, answers=[]),
        docvqa(questionId=3, answers=["x", 7]),
        docvqa(questionId=4, image="documents/absent.png"),
        docvqa(questionId=5, data_split="train"),
        docvqa(questionId=49153),
        docvqa(questionId=6, question="In <|frame:3|>?"),
        docvqa(questionId=None),
        "no object",
    ]
    (sample,), dropped = make("docvqa", {"val_v1.0.json": {"dataset_name": "docvqa", "data": rows}})
    assert (sample.id, sample.task, sample.split) == ("docvqa.49153", "text_reading", "benchmark")
    assert sample.question == (
        "What is the ‘actual’ value per 1000?\nAnswer the question using a single word or phrase."
    )
    assert sample.answer.references == ("0.28", "0.280")
    assert sample.reference == "0.28"
    assert sample.cluster == "xnbl0037"
    assert sample.attributes == {"benchmark": "docvqa", "question_type": "figure/diagram"}
    assert (sample.origin.kind, sample.origin.licence) == ("person", "LicenseRef-DocVQA")
    question = make_question(sample, 8)
    assert question is not None
    assert question.row == "docvqa"
    assert dropped == [
        (1, "no text in 'answers'"), (2, "'answers' holds what is no text"), (3, "no such media file"),
        (4, "row of the training split"), (5, "id was already used"), (6, "text holds a placeholder"),
        (7, "no text in 'questionId'"), (8, "not a JSON object"),
    ]  # fmt: skip


def test_docvqa_for_training(make: Make) -> None:
    files = {"train_v1.0.json": {"data": [docvqa(data_split="train")]}}
    (sample,), _ = make("docvqa", files, split="train")
    assert sample.split == "train"


def chart(label: Any, **changes: Any) -> dict[str, Any]:
    return {"imgname": "41699051005347.png", "query": "How many bars?", "label": label} | changes


def test_chartqa(make: Make) -> None:
    files = {
        "test_human.json": [chart("3"), chart(None), chart("2", imgname="../x.png")],
        "test_augmented.json": [chart(14.5)],
    }
    (first, second), dropped = make("chartqa", files)
    assert first.question == "How many bars?\nAnswer the question with a single word."
    assert (first.id, second.id) == ("chartqa.0.0", "chartqa.1.0")
    assert (first.reference, second.reference) == ("3", "14.5")
    assert first.attributes == {"benchmark": "chartqa", "subset": "human"}
    assert second.attributes["subset"] == "augmented"
    assert first.media[0].path == "png/41699051005347.png"
    assert dropped == [(1, "no text in 'label'"), (2, "media path leads outside the media root")]


TEN = ["nous les gosses", "dakota", "clos culombu", "dakota digital", *["dakota"] * 6]


def test_textvqa(make: Make) -> None:
    row = {
        "question_id": 34602, "question": "what is the Brand of this camera?", "image_id": "003a8ae2ef43b901",
        "image_classes": ["Cassette deck"], "answers": TEN, "set_name": "val", "image_width": 1024,
    }  # fmt: skip
    rows = [row, row | {"question_id": 1, "answers": TEN[:9]}, row | {"question_id": 2, "answers": None}]
    rows += [row | {"question_id": 3, "answers": [""] * 10}, row | {"question_id": 4, "answers": ["", *TEN[1:]]}]
    content = {"dataset_type": "val", "dataset_name": "textvqa", "data": rows}
    (sample, other), dropped = make("textvqa", {"TextVQA_0.5.1_val.json": content})
    assert sorted(other.answer.references) == sorted(["", *TEN[1:]])
    assert sample.question == "What is the brand of this camera?\nProvide a short and direct response."
    assert sample.reference == "dakota"
    assert sorted(sample.answer.references) == sorted(TEN)
    assert sample.answer.references[0] == "dakota"
    assert (sample.media[0].path, sample.origin.licence) == ("003a8ae2ef43b901.jpg", "CC-BY-4.0")
    assert dropped == [(1, "not 10 entries in 'answers'"), (2, "no text in 'answers'"), (3, "no text in 'answers'")]


def vqav2() -> Files:
    def annotation(key: int, texts: list[Any]) -> dict[str, Any]:
        entries = [
            {"answer": text, "answer_confidence": "yes", "answer_id": number} for number, text in enumerate(texts, 1)
        ]
        return {
            "question_id": key, "image_id": 262148, "question_type": "none of the above", "answers": entries,
            "answer_type": "other", "multiple_choice_answer": "down",
        }  # fmt: skip

    questions = [
        {"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000},
        {"image_id": 262148, "question": "Who?", "question_id": 262148001},
        {"image_id": 999, "question": "What?", "question_id": 262148002},
        {"image_id": [], "question": "What?", "question_id": {}},
    ]
    return {
        "v2_OpenEnded_mscoco_val2014_questions.json": {
            "info": {"year": 2017}, "task_type": "Open-Ended", "data_type": "mscoco", "license": {"url": "x"},
            "data_subtype": "val2014", "questions": questions,
        },
        "v2_mscoco_val2014_annotations.json": {
            "info": {"year": 2017}, "data_subtype": "val2014",
            "annotations": [
                annotation(262148000, ["down"] * 5 + ["at table"] * 4 + ["skateboard"]),
                annotation(262148002, ["x"] * 10),
                {"question_id": 262148003, "answers": 5},
            ],
        },
    }  # fmt: skip


def test_vqav2(make: Make) -> None:
    (sample,), dropped = make("vqav2", vqav2())
    assert sample.id == "vqav2.262148000"
    assert sample.media[0].path == "COCO_val2014_000000262148.jpg"
    assert sample.question == "Where is he looking?\nGive a very brief answer."
    assert sample.answer.references == ("down",) * 5 + ("at table",) * 4 + ("skateboard",)
    assert sample.attributes == {"benchmark": "vqav2", "subset": "other"}
    assert dropped == [(1, "no text in 'answers'"), (2, "no such media file"), (3, "no file name in 'image'")]


def test_vqav2_needs_both_files(make: Make) -> None:
    for name, content in vqav2().items():
        with pytest.raises(DataError, match="both of which are needed"):
            make("vqav2", {name: content})


def pope(key: int, label: str = "yes", **changes: Any) -> dict[str, Any]:
    row = {"question_id": key, "image": "COCO_val2014_000000393225.jpg", "text": "Is there a bowl in the image?"}
    return row | {"label": label} | changes


def test_pope(make: Make) -> None:
    files = {
        "coco_pope_random.json": [pope(1), pope(2, "no"), pope(3, "maybe")],
        "coco_pope_popular.json": [pope(1, "no"), pope(1)],
    }
    samples, dropped = make("pope", files)
    assert [sample.id for sample in samples] == ["pope.random.1", "pope.random.2", "pope.popular.1"]
    assert [sample.reference for sample in samples] == ["yes", "no", "no"]
    assert samples[0].question == "Is there a bowl in the image?\nYour response must be concise."
    assert samples[2].attributes == {"benchmark": "pope", "subset": "popular"}
    assert samples[0].origin.licence == "MIT"
    assert dropped == [(2, "label is neither yes nor no"), (1, "id was already used")]


INSTANCES = {
    "images": [{"id": 393225, "file_name": "COCO_val2014_000000393225.jpg", "height": 50, "width": 100}],
    "annotations": [{"id": 1719310, "image_id": 393225, "category_id": 1, "bbox": [10.0, 5.0, 40.0, 20.0]}],
    "categories": [{"id": 1, "name": "person"}],
}


def ref(**changes: Any) -> dict[str, Any]:
    row = {
        "sent_ids": [0, 1], "file_name": "COCO_val2014_000000393225_16.jpg", "ann_id": 1719310, "ref_id": 7,
        "image_id": 393225, "split": "testA", "category_id": 1,
        "sentences": [
            {"tokens": ["the", "lady"], "raw": "THE LADY", "sent_id": 0, "sent": "the lady"},
            {"tokens": ["blue"], "raw": "blue", "sent_id": 1, "sent": "blue"},
        ],
    }  # fmt: skip
    return row | changes


def check_lady(sample: Sample) -> None:
    assert sample.task == "grounding"
    assert sample.question == (
        "Provide a bounding box of the region this sentence describes: 'the lady'.\nUse the format [x1, y1, x2, y2]."
    )
    (region,) = sample.regions
    assert isinstance(region, BoxTrack)
    assert (region.boxes, region.shown_as) == ({0: (10.0, 5.0, 50.0, 25.0)}, "text")
    question = make_question(sample, 8)
    assert question is not None
    assert (question.reference, question.row) == ("[100,100,500,500]", "refcoco")
    assert sample.media[0].path == "COCO_val2014_000000393225.jpg"
    assert sample.attributes == {"benchmark": "refcoco", "subset": "testA"}


def test_refcoco_refs_with_their_instances(make: Make) -> None:
    refs = [
        ref(),
        ref(ref_id=8, ann_id=5),
        ref(ref_id=9, sentences=[]),
        ref(ref_id=10, split="train"),
    ]
    (first, second), dropped = make("refcoco", {"refs.json": refs, "instances.json": INSTANCES})
    check_lady(first)
    assert (first.id, second.id) == ("refcoco.7.0", "refcoco.7.1")
    assert dropped == [
        (2, "no box of this annotation"), (3, "no expression"), (4, "row of the training split"),
        (5, "row of the training split"),
    ]  # fmt: skip


def test_refcoco_of_mdetr(make: Make) -> None:
    image = {"file_name": "COCO_val2014_000000393225.jpg", "height": 50, "width": 100, "original_id": 393225}
    content = {
        "info": {}, "licenses": {},
        "images": [image | {"id": 0, "caption": "the lady"}, image | {"id": 1, "caption": "blue"}],
        "annotations": [{"id": 0, "image_id": 0, "bbox": [10, 5, 40, 20], "area": 800, "tokens_positive": [[0, 8]]}],
    }  # fmt: skip
    (sample,), dropped = make("refcoco", {"finetune_refcoco_testA.json": content})
    check_lady(sample)
    assert dropped == [(1, "no box of this expression")]


def test_refcoco_of_qwen(make: Make) -> None:
    image = "data/coco/val2014/COCO_val2014_000000393225.jpg"
    rows = [
        {"image": image, "sent": "the lady", "bbox": [10, 5, 50, 25], "height": 50, "width": 100},
        {"image": image, "sent": "the lady", "bbox": [10, 5, 50], "height": 50, "width": 100},
        {"image": image, "sent": "the lady", "bbox": [110, 5, 150, 25], "height": 50, "width": 100},
        {"caption": "x"},
    ]
    (sample,), dropped = make("refcoco", {"refcoco_testA.jsonl": rows})
    check_lady(sample)
    assert sample.id == "refcoco.0.0"
    assert dropped == [
        (1, "no valid box"), (2, "box outside the picture"), (3, "no known form of a referring expression"),
    ]  # fmt: skip


def test_refcoco_of_the_hub(make: Make) -> None:
    row = {
        "question_id": "7", "file_name": "COCO_val2014_000000393225_16.jpg", "answer": ["the lady", "blue"],
        "bbox": [10, 5, 40, 20], "split": "testA", "question": "Please describe the region.",
    }  # fmt: skip
    (first, second), _ = make("refcoco", {"hub.jsonl": [row]})
    check_lady(first)
    assert (first.id, second.id) == ("refcoco.7.0", "refcoco.7.1")


class Harmful:
    """Says so if it is ever unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (RowError, ("it ran",))


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", ["refs(unc).p", "refs.json"])
def test_a_pickle_is_never_read(tmp_path: Path, pictures: Path, protocol: int, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps([Harmful()], protocol))
    (tmp_path / "instances.json").write_text(json.dumps(INSTANCES))
    sources = Sources((tmp_path / name, tmp_path / "instances.json"), pictures)
    with pytest.raises(DataError, match="is a pickle, which could run any program: not read"):
        convert(tmp_path / "out", sources, settings_for("refcoco", sources))


def test_refs_without_instances_and_the_other_way_round(make: Make) -> None:
    with pytest.raises(DataError, match=r"refs without instances\.json \(1\)"):
        make("refcoco", {"refs.json": [ref()]})
    with pytest.raises(DataError, match="holds boxes, but no expression"):
        make("refcoco", {"instances.json": INSTANCES})


def test_coco_captions(make: Make) -> None:
    content = {
        "info": {}, "licenses": [],
        "images": [
            {"id": 393225, "file_name": "COCO_val2014_000000393225.jpg"},
            {"id": 262148, "file_name": "COCO_val2014_000000262148.jpg"},
        ],
        "annotations": [
            {"id": 1, "image_id": 393225, "caption": "A bowl of soup. \n"},
            {"id": 2, "image_id": 393225, "caption": "Soup with a carrot."},
            {"id": 3, "image_id": 393225, "caption": " "},
        ],
    }  # fmt: skip
    (sample,), dropped = make("coco-captions", {"captions_val2014.json": content})
    assert (sample.id, sample.task) == ("coco-captions.393225", "image_caption")
    assert sample.question == "Describe the image briefly."
    assert sample.answer.references == ("A bowl of soup.", "Soup with a carrot.")
    assert sample.attributes == {"benchmark": "coco_captions"}
    question = make_question(sample, 8)
    assert question is not None
    assert question.row == "coco_captions"
    assert dropped == [(1, "no text in 'sentences'")]


def test_karpathys_rows(make: Make) -> None:
    rows = [
        {"filepath": "val2014", "filename": "a.jpg", "cocoid": 42, "split": "test", "sentences": ["One.", "Two."]},
        {"filepath": "val2014", "filename": "a.jpg", "cocoid": 43, "split": "test", "sentences": [{"raw": "One."}]},
        {"filepath": "val2014", "filename": "a.jpg", "cocoid": 44, "split": "train", "sentences": ["One."]},
    ]
    samples, dropped = make("coco-captions", {"karpathy.jsonl": rows}, video_path="{filename}")
    assert [sample.answer.references for sample in samples] == [("One.", "Two."), ("One.",)]
    assert dropped == [(2, "row of the training split")]


def test_a_benchmark_keeps_its_task_and_its_authors(make: Make) -> None:
    with pytest.raises(UsageError, match="cannot be converted to the task"):
        make("pope", {"coco_pope_random.json": [pope(1)]}, task="image_caption")
    with pytest.raises(UsageError, match="is known: leave --origin out"):
        make("pope", {"coco_pope_random.json": [pope(1)]}, origin="person:x:1:MIT")

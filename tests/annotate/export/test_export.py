"""Exports of a release about the corpus: the same frames in every format, the same bytes every time, nothing lost."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from frame_corpus import NUM_FRAMES, CorpusVideo, numbered, read_numbers
from PIL import Image
from released_items import BOX, asset_of, corpus_items, released_item

from perceptlm import artifact
from perceptlm.annotate.export import exported_media, plan
from perceptlm.annotate.export.export import ExportCounts, export_release, read_export_counts
from perceptlm.annotate.export.released import ExportSettings, ReleasedItem
from perceptlm.data.converters.convert import convert_rows
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.data.dataset_files import read_located
from perceptlm.errors import ArtifactError, DataError, MediaError
from perceptlm.exchange.jsonl import read_lines
from perceptlm.media.pictures import load_pictures
from perceptlm.media.video import Video
from perceptlm.schema import Sample

HALF = ExportSettings(held_out=0.3)
ALL_TRAINING = ExportSettings(held_out=0.0, formats=("samples", "reference", "fgqa"))


def samples_of(out: Path, split: str) -> list[Sample]:
    found = [located.found for located in read_located(out, [split])]
    assert all(isinstance(sample, Sample) for sample in found)
    return found  # type: ignore[return-value]


def converted(out: Path, name: str, format: str) -> list[Sample]:
    sources = Sources((out / name,), out)
    origin = "person:me:1:CC0-1.0" if format == "reference" else None
    found = list(convert_rows(sources, settings_for(format, sources, origin=origin)))
    assert all(isinstance(sample, Sample) for sample in found)
    return found  # type: ignore[return-value]


_READ: dict[tuple[Path, str, range], list[int]] = {}


def shown_numbers(out: Path, sample: Sample) -> list[int]:
    """The burned-in numbers of all that a model may be shown."""
    key = (out, sample.media[0].path, sample.frames)
    if key not in _READ:
        bare = sample.model_copy(update={"regions": ()})
        _READ[key] = read_numbers(list(load_pictures(bare, out, num_frames=100, choice="uniform").pictures))
    return _READ[key]


@pytest.fixture(scope="module")
def export(
    tmp_path_factory: pytest.TempPathFactory, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path
) -> tuple[Path, ExportCounts]:
    out = tmp_path_factory.mktemp("export") / "out"
    return out, export_release(iter(corpus_items(list(frame_corpus.values()))), corpus_folder, out, HALF)


def test_every_format_shows_the_frames_that_were_meant(
    export: tuple[Path, ExportCounts], frame_corpus: dict[str, CorpusVideo]
) -> None:
    out, counts = export
    videos = {str(number): video for number, video in enumerate(frame_corpus.values())}

    def meant(id: str) -> list[int]:
        number, _, part = id.removeprefix("released.").partition("_")[0].partition(".")
        numbers = list(videos[number].numbers)
        return numbers if part == "all" else numbers[5:-4]

    for sample in samples_of(out, "train"):
        assert shown_numbers(out, sample) == meant(sample.id)
    for row, sample in zip(
        read_lines(out / "reference/train.jsonl"), converted(out, "reference/train.jsonl", "reference"), strict=True
    ):
        assert shown_numbers(out, sample) == meant(row[1]["id"])
    table = pq.read_table(out / "fgqa/plm_fgqa_train.parquet").to_pylist()
    for row, sample in zip(table, converted(out, "fgqa/plm_fgqa_train.parquet", "human-fgqa"), strict=True):
        assert shown_numbers(out, sample) == meant(row["row_id"])
    for sample in converted(out, "fgqa/plm_fgqa_test.jsonl", "bench-fgqa"):
        id = sample.id.removeprefix("bench-fgqa.")
        assert shown_numbers(out, sample) == list(videos[id.partition(".")[0]].numbers)  # the test shows all
    for record in read_lines(out / "media.jsonl"):
        video = next(v for v in videos.values() if v.path.read_bytes() and _is(v, record[1]))
        pictures = list(Video(out / record[1]["path"]).in_order())
        assert read_numbers(pictures) == list(video.numbers)
        table_of = Video(out / record[1]["path"]).table
        rate = table_of.average_rate
        assert all(abs(time * rate - n) < Fraction(1, 4) for n, time in enumerate(table_of.times))
    assert counts.round_trip["num_files"] == len(videos)
    assert counts.round_trip["num_frames_decoded"] == sum(len(video.numbers) for video in videos.values())


def _is(video: CorpusVideo, record: dict[str, Any]) -> bool:
    return exported_media.file_digest(video.path) == record["source_sha256"]


def test_media_are_copied_only_where_every_loader_agrees(
    export: tuple[Path, ExportCounts], frame_corpus: dict[str, CorpusVideo]
) -> None:
    out, counts = export
    why = {record["source_sha256"]: (record["made"], record["why"]) for _, record in read_lines(out / "media.jsonl")}
    by_name = {name: why[exported_media.file_digest(video.path)] for name, video in frame_corpus.items()}
    copied = {name for name, (made, _) in by_name.items() if made == "copied"}
    assert copied == {name for name in by_name if name.startswith("cfr-")} | {"b-frames.mp4", "long-gop.mp4"}
    assert by_name["rotated-90.mp4"][1] == ["turned"]
    assert by_name["vfr-dropped-ticks.mp4"][1] == ["variable rate"]
    assert any("edit list" in reason for reason in by_name["edit-list.mp4"][1])
    assert "does not begin at 0" in by_name["late-start.mkv"][1]
    assert "odd size" in by_name["odd-size.avi"][1]
    assert counts.num_media == {"video, copied": len(copied), "video, encoded": len(by_name) - len(copied)}
    assert artifact.verify(out) == []


def test_boxes_are_dense_and_drawn_only_where_the_question_shows_them(export: tuple[Path, ExportCounts]) -> None:
    out, counts = export
    rows = {row["id"]: row for _, row in read_lines(out / "reference/train.jsonl")}
    boxed = {id: row for id, row in rows.items() if "bbox_map" in row}
    assert boxed
    assert all(id.endswith(".box") for id in boxed)
    for row in boxed.values():
        frames = [int(frame) for frame in row["bbox_map"]]
        assert set(range(5, max(frames) + 1)) - set(frames) == {9, 10}
        assert all(box == list(BOX) for box in row["bbox_map"].values())
    assert counts.round_trip["num_boxes_drawn"] == sum(len(row["bbox_map"]) for row in boxed.values())
    assert not any(sample.regions for sample in samples_of(out, "train") if ".box" not in sample.id)
    lineage = {row["row_id"]: row for _, row in read_lines(out / "lineage.jsonl")}
    assert lineage["0.part"]["boxes"] == {"7": list(BOX)}  # evidence is kept, and no model is shown it


def test_samples_and_lineage(export: tuple[Path, ExportCounts]) -> None:
    out, counts = export
    lineage = {row["row_id"]: row for _, row in read_lines(out / "lineage.jsonl")}
    assert len(lineage) == counts.num_rows
    for split in ("train", "benchmark"):
        for sample in samples_of(out, split):
            row = lineage[sample.id.removeprefix("released.").partition("_")[0]]
            assert sample.id in row["samples"]
            assert row["split"] == sample.split == split
            assert sample.origin.kind == "person"
            assert (sample.origin.name, sample.origin.licence) == ("annotator-17", "CC-BY-4.0")
            assert sample.origin.revision == counts.release
            assert sample.attributes["posterior"] == 0.97
            assert row["submissions"] == [f"s{row['row_id']}-1", f"s{row['row_id']}-2"]
    pairs = [sample for sample in samples_of(out, "train") if sample.task == "fgqa"]
    groups = {sample.group for sample in pairs}
    assert len(pairs) == 2 * len(groups)
    assert {sample.answer.index for sample in pairs} == {0, 1}  # type: ignore[union-attr]
    assert all(sample.reference.startswith(("(A) ", "(B) ")) for sample in pairs)


def test_no_asset_is_in_both_and_more_rows_move_none(
    export: tuple[Path, ExportCounts], tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path
) -> None:
    out, counts = export
    train = {sample.media[0].path for sample in samples_of(out, "train")}
    test = {sample.media[0].path for sample in samples_of(out, "benchmark")}
    assert train
    assert test
    assert not train & test
    some = list(frame_corpus.values())[:12]
    export_release(corpus_items(some), corpus_folder, tmp_path / "some", HALF)
    assert {sample.media[0].path for sample in samples_of(tmp_path / "some", "benchmark")} <= test
    rows = [row for _, row in read_lines(out / "fgqa/plm_fgqa_test.jsonl")]
    assert len(rows) == counts.num_test_pairs == counts.round_trip["num_test_rows"]
    assert {row["uid"].partition("_")[0] for row in rows} == {row["qa_uid"] for row in rows}
    assert {reason.partition(":")[0] for reason in counts.left_out} == {"benchmark", "fgqa"}


def test_the_card_says_how_well_rules_do_that_see_no_video(export: tuple[Path, ExportCounts]) -> None:
    out, counts = export
    rows = [row for _, row in read_lines(out / "fgqa/plm_fgqa_test.jsonl")]
    assert counts.blind_bias is not None
    assert counts.blind_bias.num_questions == counts.num_test_questions == len({row["qa_uid"] for row in rows})
    first = counts.blind_bias.rules["first_option"]
    assert (first.num_pairs, first.num_right) == (len(rows), sum(row["answer_index"] == 0 for row in rows))
    longer = [(len(row["answer"].split()), [len(text.split()) for text in row["options"].values()]) for row in rows]
    decided = [(answer, lengths) for answer, lengths in longer if lengths[0] != lengths[1]]
    longest = counts.blind_bias.rules["longest"]
    assert (longest.num_pairs, longest.num_right) == (len(decided), sum(one == max(both) for one, both in decided))
    card = (out / "card.md").read_text()
    assert f"| first option | {len(rows)} | {100 * first.num_right / len(rows):.1f} % |" in card
    assert "Does the test need the video?" in card


def test_the_human_ceiling_is_of_whole_groups(export: tuple[Path, ExportCounts]) -> None:
    out, counts = export
    ceiling = json.loads((out / "fgqa/human_ceiling.json").read_text())
    # Of three attempts at each question, one has a pair wrong.
    assert ceiling["all"]["score"] == pytest.approx(2 / 3) == pytest.approx(counts.human_ceiling)
    assert ceiling["pair_accuracy"] == pytest.approx(5 / 6)
    assert ceiling["all"]["num_groups"] == counts.num_test_questions == ceiling["by_domain"]["surgery"]["num_groups"]
    assert (ceiling["num_people"], ceiling["num_groups_without"]) == (3, 0)


def test_the_table_has_the_released_columns_first(export: tuple[Path, ExportCounts]) -> None:
    table = pq.read_table(export[0] / "fgqa/plm_fgqa_train.parquet")
    assert table.schema.names == [
        "qa_id", "segment_id", "question", "answer", "metadata", "row_id", "guideline", "n_annotators", "agreement",
        "posterior", "adjudicated", "audited", "license",
    ]  # fmt: skip
    assert [field.name for field in table.schema.field("metadata").type] == [
        "source_video_id", "source_dataset", "source_start_time", "source_end_time", "what_description", "q_type",
        "q_subtype", "domain", "is_audited",
    ]  # fmt: skip
    row = table.to_pylist()[0]
    assert (row["n_annotators"], row["agreement"], row["license"]) == (3, 0.75, "CC-BY-4.0")
    assert (row["adjudicated"], row["audited"], row["metadata"]["is_audited"]) == (False, True, 1)


def test_the_same_release_gives_the_same_bytes(
    tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("cfr-25.mp4", "rotated-90.mp4", "edit-list.mp4", "cfr-50.mp4", "cfr-24.mp4")
    rows = corpus_items([frame_corpus[name] for name in names])
    settings = ExportSettings(held_out=0.4, rows_per_shard=4, rows_per_group=3)
    counts = export_release(iter(rows), corpus_folder, tmp_path / "a", settings)
    assert (tmp_path / "a/train/samples-00001.jsonl").is_file()
    # Killed after its first files, then run again.
    with monkeypatch.context() as patch:
        patch.setattr("perceptlm.annotate.export.export.check_round_trip", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            export_release(iter(rows), corpus_folder, tmp_path / "b", settings)
    (tmp_path / "b.partial/media/.left.mp4.partial").write_bytes(b"half")
    assert export_release(iter(rows), corpus_folder, tmp_path / "b", settings) == counts
    digests = [artifact.read_manifest(tmp_path / name).digest for name in "ab"]
    assert digests[0] == digests[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert export_release(iter(rows), corpus_folder, tmp_path / "a", settings) == counts  # it is there
    with pytest.raises(ArtifactError, match="already exists"):
        export_release(iter(rows[:-1]), corpus_folder, tmp_path / "a", settings)
    assert read_export_counts(tmp_path / "a") == counts


def _interrupted(*arguments: Any) -> None:
    raise KeyboardInterrupt


def num_rows_in_memory() -> int:
    """Of this and of all other tests."""
    return sum(type(thing) is ReleasedItem for thing in gc.get_objects())


def test_rows_pass_one_at_a_time(tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path) -> None:
    asset = asset_of(frame_corpus["cfr-25.mp4"].path)
    most, before = 0, num_rows_in_memory()

    def rows() -> Iterator[ReleasedItem]:
        nonlocal most
        for number in range(60):
            yield released_item(str(number), asset)
            if number % 10 == 9:
                most = max(most, num_rows_in_memory() - before)

    export_release(rows(), corpus_folder, tmp_path / "out", ALL_TRAINING)
    assert most <= 3


def test_an_export_that_does_not_read_back_is_not_published(
    tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = corpus_items([frame_corpus["cfr-29.97.mp4"], frame_corpus["vfr-dropped-ticks.mp4"]])

    def broken(change: Any) -> str:
        whole = plan.reference_row
        with monkeypatch.context() as patch:
            patch.setattr(plan, "reference_row", lambda item, shown: change(whole(item, shown)))
            with pytest.raises(DataError) as caught:
                export_release(items, corpus_folder, tmp_path / "out", ALL_TRAINING)
        assert not (tmp_path / "out").exists()
        return caught.value.message

    # Beginnings rounded to milliseconds, as naive exports have them.
    early = broken(lambda row: row | ({"start_time": round(5 / (30000 / 1001), 3)} if "start_time" in row else {}))
    assert "frames" in early
    sparse = broken(lambda row: row | ({"bbox_map": {"5": list(BOX)}} if "bbox_map" in row else {}))
    assert "boxes" in sparse
    assert "words" in broken(
        lambda row: row | {"conversations": [*row["conversations"][:1], {"from": "assistant", "value": "?"}]}
    )


def test_pictures_that_moved_are_noticed(
    tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order = Video.in_order

    def late(video: Video) -> Iterator[np.ndarray]:
        pictures = list(in_order(video))
        yield from [pictures[0], *pictures[:-1]] if video.path.parent == corpus_folder else pictures

    monkeypatch.setattr(Video, "in_order", late)
    rows = [released_item("1", asset_of(frame_corpus["vfr-dropped-ticks.mp4"].path))]
    with pytest.raises(DataError, match=r"picture \d+ of .* is another one's"):
        export_release(rows, corpus_folder, tmp_path / "out", ALL_TRAINING)


def test_what_does_not_fit_its_asset_is_refused(
    tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path
) -> None:
    asset = asset_of(frame_corpus["cfr-25.mp4"].path)
    other = asset_of(frame_corpus["cfr-24.mp4"].path)

    def refusal(*rows: ReleasedItem) -> str:
        with pytest.raises(DataError) as caught:
            export_release(rows, corpus_folder, tmp_path / "out", ALL_TRAINING, overwrite=True)
        assert not (tmp_path / "out").exists()
        return caught.value.message

    changed = asset.model_copy(update={"path": other.path})
    assert "not the file that was labelled" in refusal(released_item("1", changed))
    renumbered = asset.model_copy(update={"frame_table_hash": other.frame_table_hash})
    assert "its frames are not those that were labelled" in refusal(released_item("1", renumbered))
    late = released_item("1", asset, evidence={"start": 38, "end": NUM_FRAMES + 1})
    assert "item 1: evidence [38, 41) of 40 frames" in refusal(late)
    keyframes = released_item("1", asset, boxes={0: BOX, 20: BOX}, boxes_are="question")
    assert "item 1: frame 1 (one of 38) has no box" in refusal(keyframes)
    beyond = released_item("1", asset, boxes={40: BOX}, boxes_are="evidence")
    assert "a box of frame 40" in refusal(beyond)
    outside = released_item("1", asset.model_copy(update={"path": "gone.mp4"}))
    assert "no such file" in refusal(outside)
    assert "released.1" in refusal(released_item("1", asset), released_item("1", asset))
    assert refusal() == "the release has no rows"


def test_rows_that_may_not_be_learnt_from_are_left_out_with_their_reason(
    tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path
) -> None:
    asset = asset_of(frame_corpus["cfr-25.mp4"].path)
    llama = {"kind": "model", "name": "Llama-3.3-70B-Instruct", "revision": "3.3", "licence": "LicenseRef-Llama-3.2"}
    rows = [
        released_item("good", asset, distractors=[{"text": "Up.", "written_by": llama}], ceiling=[]),
        released_item("closed", asset, ceiling=[], distractors=[
            {"text": "Up.", "written_by": llama | {"name": "gpt-4o", "licence": "MIT"}}, {"text": "to the  LEFT"},
            {"text": "Down <|image|>."},
        ]),
        released_item("hostile", asset, question="<image> What <|frame:3|>?", ceiling=[]),
    ]  # fmt: skip
    counts = export_release(rows, corpus_folder, tmp_path / "out", ALL_TRAINING)
    assert counts.left_out == {
        "all: distractor by a model: closed model": 1,
        "all: distractor is the answer, or another distractor": 1,
        "all: text holds a marker or special token": 2,
    }
    samples = {sample.id: sample for sample in samples_of(tmp_path / "out", "train")}
    assert sorted(samples) == ["released.closed", "released.good", "released.good_0"]
    assert samples["released.good_0"].origin.licence == "CC-BY-4.0 AND LicenseRef-Llama-3.2"
    left = {(row["row_id"], row["pair"]) for _, row in read_lines(tmp_path / "out/left_out.jsonl")}
    assert left == {("closed", 0), ("closed", 1), ("closed", 2), ("hostile", None)}


def test_choices_are_asked_with_all_their_options(
    tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path
) -> None:
    asset = asset_of(frame_corpus["cfr-25.mp4"].path)

    def choice(id: str, *options: str, **changes: Any) -> ReleasedItem:
        wrong = [{"text": option} for option in options if option != options[1]]
        values = {"options": options, "answer": options[1], "distractors": wrong, "ceiling": []}
        return released_item(id, asset, **values | changes)

    rows = [
        choice("good", "Up.", "To the left.", "Down."),
        choice("alike", "up", "To the left.", "Up."),
        choice("hostile", "<image>", "To the left."),
        choice("bare", "Up.", "To the left.", licence="unknown"),
    ]
    with pytest.raises(ValueError, match="the options are the answer and the distractors"):
        choice("odd", "Up.", "To the left.", answer="Away.")
    out = tmp_path / "out"
    counts = export_release(rows, corpus_folder, out, ALL_TRAINING)
    assert counts.left_out == {
        "all: of a person: licence missing": 1,
        "all: text holds a marker or special token": 1,
        "all: two options say the same": 1,
        "fgqa: the format has no options to choose from": 1,
    }
    (sample,) = samples_of(out, "train")
    assert (sample.task, sample.reference, sample.answer.index) == ("mcq", "(B) To the left.", 1)  # type: ignore[union-attr]
    (found,) = converted(out, "reference/train.jsonl", "reference")
    assert found.turns == sample.turns


def test_one_picture_of_evidence_is_shown_with_its_neighbour(
    tmp_path: Path, frame_corpus: dict[str, CorpusVideo], corpus_folder: Path
) -> None:
    asset = asset_of(frame_corpus["cfr-23.976.mp4"].path)
    rows = [
        released_item("a", asset, evidence={"start": 11, "end": 12}),
        released_item("z", asset, evidence={"start": 39, "end": 40}),
    ]
    out = tmp_path / "out"
    export_release(rows, corpus_folder, out, ALL_TRAINING)
    assert [shown_numbers(out, s) for s in converted(out, "reference/train.jsonl", "reference")] == [[11, 12], [38, 39]]
    shown = {s.id: shown_numbers(out, s) for s in samples_of(out, "train")}
    assert (shown["released.a"], shown["released.z"]) == ([11, 12], [38, 39])


def test_images_are_images_for_training_and_videos_of_one_picture_in_tables(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    Image.fromarray(numbered(1, 96, 64)).save(folder / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(numbered(2, 97, 65)))).save(folder / "b.jpg", exif=exif, quality=95)
    Image.fromarray(numbered(3, 96, 64)).save(folder / "c.bmp")
    rows = [released_item(name[0], asset_of(folder / name)) for name in ("a.png", "b.jpg", "c.bmp")]
    boxed = {"boxes": {0: BOX}, "boxes_are": "question"}
    rows += [
        released_item("box", asset_of(folder / "a.png"), question="What is at <|bbox0|>?", **boxed),
        released_item("bare", asset_of(folder / "a.png"), question="What is there?", **boxed),
    ]
    out = tmp_path / "out"
    counts = export_release(rows, folder, out, ALL_TRAINING)
    made = {row["path"].rpartition(".")[2] + row["made"] for _, row in read_lines(out / "media.jsonl")}
    assert made == {"pngcopied", "pngencoded", "mp4encoded"}
    numbers = {s.id: shown_numbers(out, s) for s in samples_of(out, "train") if s.task == "image_qa"}
    assert numbers == {"released.a": [1], "released.b": [2], "released.c": [3], "released.box": [1]}
    tables = converted(out, "fgqa/plm_fgqa_train.parquet", "human-fgqa")
    assert [shown_numbers(out, s) for s in tables] == [[1], [2], [3]]
    reference = converted(out, "reference/train.jsonl", "reference")
    assert reference[3].box_texts == ("[104,187,416,687]",)
    assert [s.media[0].kind for s in reference] == ["image"] * 4
    assert counts.left_out == {
        "all: the boxes of an image's question are told as text, but it has no <|bbox0|>": 1,
        "fgqa: the format shows no boxes, and the question speaks of one": 1,
    }
    rooms = [item.model_copy(update={"recording": f"room {item.id}"}) for item in rows[:3]]
    export_release(rooms, folder, tmp_path / "test", HALF)
    asked = {s.cluster: (s.media[0].kind, shown_numbers(tmp_path / "test", s))
             for s in samples_of(tmp_path / "test", "benchmark")}  # fmt: skip
    assert asked == {"room a": ("video", [1]), "room c": ("video", [3])}


def test_truncated_assets_are_named(tmp_path: Path, frame_corpus: dict[str, CorpusVideo]) -> None:
    source = frame_corpus["cfr-25.mp4"].path
    asset = asset_of(source)
    (tmp_path / source.name).write_bytes(source.read_bytes()[:2000])
    cut = asset.model_copy(update={"sha256": exported_media.file_digest(tmp_path / source.name)})
    with pytest.raises(MediaError, match=r"cfr-25\.mp4"):
        export_release([released_item("1", cut)], tmp_path, tmp_path / "out", ALL_TRAINING)

"""WorldBench: the released layout and our Samples say the same, killed runs lose nothing, no world trains on it."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from perceptlm import artifact
from perceptlm.cli.main import run
from perceptlm.config import digest_of
from perceptlm.data.decontamination import BenchmarkMedia, find_contaminated, fingerprint_benchmark, read_benchmark
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import DataError, UsageError
from perceptlm.eval.datasets import EvalData, load_questions
from perceptlm.eval.questions import make_questions
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_lines, read_records, write_records
from perceptlm.media.video import read_frames
from perceptlm.media.write_video import write_video
from perceptlm.recipes.world_bench import COUNTS, STATED, StatedDigests, WorldBenchRecipe, world_bench
from perceptlm.schema import BENCHMARK_TASKS, DenseAnswer, MediaRef, Sample, TextAnswer
from perceptlm.workflow import world_bench_questions
from perceptlm.workflow.reproduce import reproduce
from perceptlm.workflow.world_bench import make_world_bench, read_bench_summary
from perceptlm.workflow.world_bench_questions import without_facts
from perceptlm.world import bench_make, make_clip
from perceptlm.world.bench_pools import BenchClips
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.facts import facts_in_text
from perceptlm.world.make import make_world
from perceptlm.world.settings import WorldSettings

TINY = WorldBenchRecipe(
    name="worldbench-tiny",
    clips=BenchClips(num_fgqa=24, num_sgqa=5, num_region=5, width=64, height=64, max_num_frames=40),
)
GOLDEN = StatedDigests(
    questions="05aec912287de2ac142c1bd69c27d2c8226eb58f7348af1be8488b20587f21c2",
    pictures="c702c6b1be407740ce81ba7120bd78d5029266851394f3b236e3bc1963c4a685",
)
COLUMNS = {
    "fgqa": {"uid", "qa_uid", "video", "question", "answer", "options", "answer_index", "metadata"},
    "sgqa": {"uid", "video", "question", "answer", "domain"},
    "rcap": {"uid", "video", "masklet_id", "total_frames", "caption", "start_frame", "end_frame"},
    "rtloc": {"uid", "video", "masklet_id", "total_frames", "caption", "start_frame", "end_frame"},
    "rdcap": {"uid", "video", "masklet_id", "total_frames", "dense_captions"},
}
METADATA = {
    "source_video_id", "source_dataset", "source_start_time", "source_end_time", "question_type", "source_domain",
}  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world_bench(tmp_path_factory.mktemp("bench") / "tiny", TINY, num_workers=1)


def rows_of(bench: Path, task: str) -> list[dict]:
    return [row for _, row in read_lines(bench / task / f"plm_{task}_test.jsonl")]


def samples_of(bench: Path, task: str) -> list[Sample]:
    return [s for s in read_records(bench / "benchmark" / "samples.jsonl", Sample) if s.task == task]


def test_a_set_is_whole_and_counted(bench: Path) -> None:
    assert artifact.verify(bench) == []
    assert not (bench / "chunks").exists()
    summary = read_bench_summary(bench)
    assert list(summary.tasks) == list(BENCHMARK_TASKS)
    for task, counts in summary.tasks.items():
        assert counts.rows == len(rows_of(bench, task)) == len(samples_of(bench, task)) > 0
    assert summary.tasks["fgqa"].rows == 3 * summary.tasks["fgqa"].items
    shown = {path.name for path in (bench / "videos").iterdir()}
    assert shown == {row["video"] for task in BENCHMARK_TASKS for row in rows_of(bench, task)}
    assert summary.num_videos == len(shown) == len(list(read_lines(bench / "scenes.jsonl")))


def test_it_can_be_asked_as_it_stands_and_its_tables_as_well(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = [f"bench-{task}={bench / task / f'plm_{task}_test.jsonl'}" for task in BENCHMARK_TASKS]
    boxes = bench / "metadata" / "metadata_test.jsonl"
    released = [
        "--media",
        bench / "videos",
        "--boxes",
        boxes,
        *(word for table in tables for word in ("--released", table)),
    ]
    for options in (["--data", bench], released):
        assert run(["eval", "doctor", *map(str, options), "--json"]) == 0
        found = {task["row"]: task for task in json.loads(capsys.readouterr().out)["tasks"]}
        counts = read_bench_summary(bench).tasks
        assert {row: task["num_questions"] for row, task in found.items()} == {row: n.rows for row, n in counts.items()}
        assert all(task["best_reachable"] == 1 for task in found.values())  # no span collapses
    questions = load_questions([EvalData(bench)], EvalSettings(num_frames=32))
    assert len(questions) == sum(n.rows for n in read_bench_summary(bench).tasks.values())


def test_the_version_asks_the_same_about_the_same_pictures(bench: Path) -> None:
    # The questions' digest covers tables, boxes and facts; that of the pictures the frames as drawn.
    assert read_bench_summary(bench).digests == GOLDEN


def test_tables_have_the_released_columns(bench: Path) -> None:
    for task, columns in COLUMNS.items():
        assert all(set(row) == columns for row in rows_of(bench, task))
    groups: dict[str, int] = {}
    for row in rows_of(bench, "fgqa"):
        assert set(row["metadata"]) == METADATA
        assert row["options"][f"option_{row['answer_index']}"] == row["answer"]
        assert row["uid"].split("_")[0] == row["qa_uid"]
        groups[row["qa_uid"]] = groups.get(row["qa_uid"], 0) + 1
    assert set(groups.values()) == {3}
    for row in rows_of(bench, "rdcap"):
        spans = [(part["start_frame"], part["end_frame"]) for part in row["dense_captions"]]
        assert spans[0][0] == 0
        assert spans[-1][1] == row["total_frames"] - 1
        assert all(after[0] == before[1] + 1 for before, after in pairwise(spans))
    boxes = {
        (row["video"], row["masklet_id"]): row["bbox"] for _, row in read_lines(bench / "metadata/metadata_test.jsonl")
    }
    for task in ("rcap", "rtloc", "rdcap"):
        for row in rows_of(bench, task):
            assert len(boxes[row["video"], row["masklet_id"]]) == row["total_frames"] >= 32


@pytest.mark.parametrize("task", BENCHMARK_TASKS)
def test_converting_the_tables_gives_the_same_questions(bench: Path, tmp_path: Path, task: str, capsys) -> None:
    arguments = ["data", "convert", f"bench-{task}", bench / task / f"plm_{task}_test.jsonl", "--media", bench]
    arguments += ["--video", "videos/{video}", "--out", tmp_path / "out", "--max-dropped", "0"]
    if task.startswith("r"):
        arguments += ["--regions", bench / "metadata" / "metadata_test.jsonl"]
    assert run([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    converted = list(read_records(tmp_path / "out" / "benchmark" / "samples-00000.jsonl", Sample))
    own = samples_of(bench, task)
    assert len(converted) == len(own)
    for one, other in zip(converted, own, strict=True):
        for name in ("turns", "media", "regions", "span", "task", "split", "cluster"):
            assert getattr(one, name) == getattr(other, name), name
        assert one.answer == without_facts(other.answer)
        assert one.id.partition(".")[2] == other.id.partition(".")[2]
        assert (one.group or "").partition(".")[2] == (other.group or "").partition(".")[2]


def test_samples_keep_the_facts_that_the_procedural_judge_needs(bench: Path) -> None:
    judged = [sample.answer for task in ("sgqa", "rcap", "rdcap") for sample in samples_of(bench, task)]
    texts = [(a.text, a.facts) for a in judged if isinstance(a, TextAnswer)]
    texts += [(part.caption, part.facts) for a in judged if isinstance(a, DenseAnswer) for part in a.segments]
    assert len(texts) > len(judged) / 2
    for text, facts in texts:
        told = {(fact.slot, fact.value) for fact in facts_in_text(text)}
        assert facts
        assert {(fact.slot, fact.value) for fact in facts} <= told, text


def test_samples_say_what_scores_are_broken_down_by(bench: Path) -> None:
    found = SampleSet.open(bench, "benchmark").samples
    assert {sample.origin.name for sample in found} == {"perceptlm.world"}
    assert all({"domain", "num_things", "held_out"} <= set(sample.attributes) for sample in found)
    assert all(sample.template.split(".")[0] == sample.task and sample.dimension for sample in found)
    assert {sample.attributes["held_out"] for sample in found} == {True, False}


def test_region_tasks_share_their_videos(bench: Path) -> None:
    videos = [{row["video"] for row in rows_of(bench, task)} for task in ("rcap", "rtloc", "rdcap")]
    assert videos[0] >= videos[1]
    assert videos[0] >= videos[2]
    assert not videos[0] & {row["video"] for task in ("fgqa", "sgqa") for row in rows_of(bench, task)}


def test_a_run_that_stopped_goes_on_to_the_same_bytes(bench: Path, tmp_path: Path, monkeypatch) -> None:
    calls = []

    def make_two(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        made(*arguments)

    made = bench_make.make_bench_chunk
    monkeypatch.setattr(bench_make, "make_bench_chunk", make_two)
    with pytest.raises(KeyboardInterrupt):
        make_world_bench(tmp_path / "out", TINY, num_workers=1)
    assert len(list((tmp_path / "out.partial" / "chunks").iterdir())) == 2
    make_world_bench(tmp_path / "out", TINY, num_workers=1)
    assert len(calls) == 3 + len(list(bench_make._chunks(TINY.clips))) - 2
    assert artifact.read_manifest(tmp_path / "out").digest == artifact.read_manifest(bench).digest


def test_a_question_that_converts_to_another_stops_the_build(tmp_path: Path, monkeypatch) -> None:
    def misquote(samples, **values):
        rows = original(samples, **values)
        return [row | {"question": row["question"] + "?"} if "question" in row else row for row in rows]

    original = world_bench_questions.released_rows
    monkeypatch.setattr(world_bench_questions, "released_rows", misquote)
    few = TINY.model_copy(update={"clips": TINY.clips.model_copy(update={"num_fgqa": 8})})
    with pytest.raises(DataError, match="has another question"):
        make_world_bench(tmp_path / "out", few, num_workers=1)
    assert not (tmp_path / "out").exists()


def test_too_many_broken_clips_stop_the_build(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(make_clip, "MAX_MEAN_ERROR", 0.01)
    with pytest.raises(DataError, match="of 24 fgqa clips failed their checks; the first: frame"):
        make_world_bench(tmp_path / "out", TINY, num_workers=1)


def test_no_training_world_shows_it_and_copies_of_it_are_found(bench: Path, tmp_path: Path) -> None:
    settings = WorldSettings(num_clips=12, num_benchmark_clips=1, num_validation_clips=0, num_images=4,
                             num_benchmark_images=0, num_validation_images=0)  # fmt: skip
    world = make_world(tmp_path / "world", settings, 3, num_workers=1)
    media = BenchmarkMedia(fingerprint_benchmark(read_benchmark(bench), bench))
    assert list(find_contaminated(world, world, media)) == []
    backgrounds = {record.scene.background for record in read_records(bench / "scenes.jsonl", ClipRecord)}
    assert not backgrounds & {r.scene.background for r in read_records(world / "train" / "scenes.jsonl", ClipRecord)}

    stolen = samples_of(bench, "rcap")[0]
    shutil.copy(bench / stolen.media[0].path, world / "train" / "copied.mp4")
    frames = read_frames(bench / stolen.media[0].path, range(stolen.media[0].num_frames))
    write_video(world / "train" / "encoded_again.mp4", frames, 6, quality=28)
    planted = [
        stolen.model_copy(
            update={
                "id": name, "split": "train", "cluster": name,
                "media": (MediaRef(**stolen.media[0].to_dict() | {"path": f"train/{name}.mp4"}),),
            }
        )
        for name in ("copied", "encoded_again")
    ]  # fmt: skip
    honest = list(read_records(world / "train" / "samples.jsonl", Sample))
    write_records(world / "train" / "samples.jsonl", [*honest, *planted])
    reasons = {match.id: match.reason for match in find_contaminated(world, world, media)}
    assert set(reasons) == {"copied", "encoded_again"}
    assert "has the bytes of the benchmark's" in reasons["copied"]


def test_a_world_cannot_have_a_seed_of_it(tmp_path: Path, capsys) -> None:
    with pytest.raises(UsageError, match="at least 0"):
        make_world(tmp_path / "world", WorldSettings(num_clips=1), -1)
    assert run(["world", "make", "--out", str(tmp_path / "world"), "--seed", "-1"]) == 2
    assert "--seed" in capsys.readouterr().err


def test_unknown_versions_are_refused(tmp_path: Path, capsys) -> None:
    assert run(["world", "bench", "--out", str(tmp_path / "out"), "--version", "2"]) != 0
    assert "makes version 1" in capsys.readouterr().err
    with pytest.raises(UsageError, match="version 1"):
        world_bench("full", 3)


@pytest.mark.slow
def test_the_small_set_is_the_one_stated_whatever_the_workers(tmp_path: Path, capsys) -> None:
    out = tmp_path / "small"
    assert run(["world", "bench", "--size", "small", "--out", str(out), "--workers", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["as_stated"] is True
    assert StatedDigests(**said["digests"]) == STATED["worldbench-1-small"]
    assert said["tasks"] == {task: counts.to_dict() for task, counts in COUNTS["worldbench-1-small"].items()}


@pytest.mark.slow
def test_a_set_is_made_again_to_the_same_bytes(bench: Path, tmp_path: Path) -> None:
    assert reproduce(bench, work=tmp_path / "again").equal
    assert digest_of(artifact.read_manifest(bench).recipe) == digest_of(TINY.to_dict())


def test_reference_answers_score_full_marks_and_wrong_ones_less(bench: Path, tmp_path: Path, capsys) -> None:
    questions = make_questions(SampleSet.open(bench, "benchmark").samples, 32)
    for name, wrong in (("right", 0), ("worse", 3)):
        answers = [
            {"id": question.sample.id, "text": "[" if wrong and number % wrong == 0 else question.reference}
            for number, question in enumerate(questions)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
        command = ["eval", "run", "--data", bench, "--predictions", tmp_path / f"{name}.jsonl", "--json"]
        capsys.readouterr()
        assert run([str(part) for part in [*command, "--out", tmp_path / name]]) == 0
        tasks = json.loads(capsys.readouterr().out)["tasks"]
        assert tasks.keys() == set(BENCHMARK_TASKS)
        scores = {task: found["score"] for task, found in tasks.items()}
        assert all(score > 0.999 if name == "right" else score < 0.9 for score in scores.values()), scores

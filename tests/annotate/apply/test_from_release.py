"""From people's work to training data and a test: what a release says of its rows, and what is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frame_corpus import read_numbers
from sqlalchemy import text

from perceptlm import artifact
from perceptlm.annotate.backups import copy_directory
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.export.from_release import export_from_release, find_release, released_items
from perceptlm.annotate.export.released import ExportSettings
from perceptlm.annotate.quality.release_bound import release_bound
from perceptlm.annotate.refusals import Conflict, NotFound
from perceptlm.annotate.services.server import open_server
from perceptlm.cli.main import run
from perceptlm.data.audit import audit_directory
from perceptlm.data.dataset_files import read_located
from perceptlm.data.source import Source
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import read_lines
from perceptlm.media.pictures import load_pictures
from perceptlm.schema import Sample

from .conftest import ANSWER, BOX, MERGED, Applied


def _rows(applied: Applied) -> dict[str, dict[str, Any]]:
    found = applied.service.person("man").get("/api/v1/releases/1/rows")
    return {row["key"]: row for row in map(json.loads, found.text.splitlines())}


def _samples(applied: Applied, split: str) -> dict[str, Sample]:
    samples = [located.found for located in read_located(applied.out, [split])]
    return {sample.id: sample for sample in samples if isinstance(sample, Sample)}


def test_a_row_says_what_an_item_came_to_and_from_whose_work(applied: Applied) -> None:
    rows = _rows(applied)
    assert sorted(rows) == ["c0", "c2", "f0", "f1", "f2"]
    people = {row["person"]: row for key in rows for row in rows[key]["submissions"]}
    assert len(people) == 7
    assert not any(f'"{name}"' in json.dumps(rows) for name in applied.service.user_ids)
    by_step = {key: {s["step"]: s["person"] for s in rows[key]["submissions"]} for key in rows}
    f0, f2, c0 = rows["f0"], rows["f2"], rows["c0"]
    # The wording is the expert's; the people had agreed on it, and the audit changed nothing.
    assert (f0["answer"], f0["author"], f0["answered_by"]) == (ANSWER, by_step["f0"]["expert"], "expert")
    assert (f0["audited"], f0["audit_changed"], f0["agreement"]) == (True, False, 1)
    assert (f2["answer"], f2["answered_by"], f2["adjudicated"]) == (MERGED, "people", False)
    assert f2["author"] in {s["person"] for s in f2["submissions"] if s["step"] == "compare"}
    assert (f2["evidence"], f2["boxes"]) == ({"start": 2, "end": 10}, [{"frame": 4, "box": BOX}])
    assert sorted(one["pair"] for one in f2["ceiling"]) == [0, 1, 2]
    assert sorted(one["right"] for one in f2["ceiling"]) == [False, True, True]
    # People had marked an interval for another option than the expert's.
    assert (c0["answer"], c0["agreement"], c0["evidence"]) == ("none", 0, None)
    assert (c0["audited"], c0["audit_changed"], rows["c2"]["audited"]) == (True, True, False)
    assert rows["c2"]["posterior"] > 0.9
    assert [wrong["text"] for wrong in rows["f1"]["distractors"]] == ["The bars stay black.", "The bars turn red."]
    assert {wrong["model"]["name"] for wrong in rows["f1"]["distractors"]} == {"Qwen2.5-7B-Instruct"}


def test_the_bound_counts_what_the_audit_changed_and_took_out(applied: Applied) -> None:
    card = applied.manifest["card"]
    # f0 was confirmed, c0 changed, c1 taken out; f1, f2 and c2 no expert saw.
    upper = release_bound(2, 3).upper
    expected = {"num_rows": 3, "num_audited": 3, "num_wrong": 2, "upper": round(upper, 9), "confidence": 0.95}
    assert card["error_bound"] == card["domains"]["general"]["error_bound"] == expected
    assert (card["num_rows"], card["num_adjudicated"], card["mean_agreement"]) == (5, 2, 0.8)
    assert (card["licences"], card["guideline_versions"]) == ({"CC-BY-4.0": 5}, {"1": 5})
    text = (applied.out / "card.md").read_text()
    assert f"fewer than {100 * upper:.2f} % are wrong" in text
    assert "| general | 5 | 2 | 2.00 | 0.800 | 3 | 2 |" in text
    assert json.loads((applied.out / "release.json").read_text()) == applied.manifest


def test_samples_carry_the_lineage_and_show_the_evidence(applied: Applied) -> None:
    rows, train = _rows(applied), _samples(applied, "train")
    ids = {key: f"released.p.{row['item']}" for key, row in rows.items()}
    assert set(train) == {ids["f0"], *(f"{ids['f0']}_{n}" for n in range(3)), ids["f1"], f"{ids['f1']}_0",
                          f"{ids['f1']}_1", ids["c0"]}  # fmt: skip
    lineage = {row["key"]: row for _, row in read_lines(applied.out / "lineage.jsonl")}
    for key, row in rows.items():
        assert lineage[key]["row"] == row["row_id"]
        assert lineage[key]["submissions"] == [str(given["id"]) for given in row["submissions"]]
    for sample in train.values():
        row = next(row for row in rows.values() if f"released.p.{row['item']}" == sample.id.partition("_")[0])
        assert (sample.origin.kind, sample.origin.name) == ("person", row["author"])
        assert sample.origin.licence.startswith("CC-BY-4.0")
        numbers = read_numbers(list(load_pictures(sample, applied.out, num_frames=99, choice="uniform").pictures))
        video = applied.videos[row["asset"]["sha256"]]
        start, end = (2, 10) if row["kind"] == "fgqa" else (0, len(video.numbers))
        assert numbers == list(video.numbers[start:end])
    choice = train[ids["c0"]]
    assert (choice.task, choice.reference) == ("mcq", "(C) none")
    assert "(A) two\n(B) sixteen\n(C) none" in choice.turns[0].text
    assert audit_directory(applied.out, media_root=applied.out).passed
    assert artifact.verify(applied.out) == []


def test_the_held_out_test_has_its_ceiling_beside_it(applied: Applied) -> None:
    test, counts = _samples(applied, "benchmark"), applied.counts
    assert (counts.num_test_questions, counts.num_test_pairs, len(test)) == (2, 5, 5)
    assert {sample.media[0].path for sample in test.values()} == {
        f"media/{next(row['asset']['sha256'] for key, row in _rows(applied).items() if key == 'f2')}.mp4"
    }
    assert all(sample.task == "fgqa" for sample in test.values())
    ceiling = json.loads((applied.out / "fgqa/human_ceiling.json").read_text())
    # Of the three pairs of f2, each by another fresh person, Dan had one wrong; choices have no ceiling.
    assert (ceiling["all"]["num_groups"], ceiling["num_groups_without"]) == (1, 1)
    assert (ceiling["all"]["score"], ceiling["num_choices"]) == (0, 3)


def test_training_and_evaluation_take_it_as_it_is(
    applied: Applied, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source.open("own", applied.out, "train")
    units = [source.unit(number).read() for number in range(len(source))]
    assert sorted(map(len, units)) == [1, 3, 4]
    assert run(["eval", "doctor", "--data", str(applied.out), "--json"]) == 0
    capsys.readouterr()


@pytest.mark.slow
def test_a_model_learns_from_it_and_is_asked_its_test(
    applied: Applied, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn = ["train", "adapt", "--start", demo / "sft", "--data", applied.out, "--out", tmp_path / "adapted"]
    assert run([*map(str, learn), "--held-out", "0.7", "--set", "num_steps=2", "--set", "validation.every=2"]) == 0
    ask = ["eval", "run", "--data", applied.out, "--model", tmp_path / "adapted", "--tasks", "fgqa"]
    assert run([*map(str, ask), "--out", str(tmp_path / "eval"), "--variants", "own", "--json"]) == 0
    rows = next((tmp_path / "eval").glob("rows*.jsonl")).read_text().splitlines()
    assert [json.loads(row)["score"] is None for row in rows] == [False] * 5
    capsys.readouterr()


def test_one_command_gives_the_same_bytes(applied: Applied, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["annotate", "export", applied.service.directory.path, "--project", "p", "--out", tmp_path / "out"]
    how = ["--held-out", "0.4", "--seed", applied.settings.seed]
    assert run([*map(str, [*where, *how]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_rows"] == 5
    assert artifact.read_manifest(tmp_path / "out").digest == artifact.read_manifest(applied.out).digest
    assert run([*map(str, where), "--release", "7"]) == 1
    assert "the project 'p' has no release 7" in capsys.readouterr().err
    assert run([*map(str, where), "--rows", "x.jsonl"]) == 2
    assert "say which release" in capsys.readouterr().err


def test_only_what_two_people_published_is_exported(applied: Applied) -> None:
    service, database = applied.service, applied.service.database
    with pytest.raises(NotFound, match="no project 'q'"):
        find_release(database, "q")
    drawn = service.person("man").post("/api/v1/projects/p/releases", json={"purpose": "more"}).json()
    with pytest.raises(Conflict, match="is a draft"):
        find_release(database, "p", drawn["id"])
    found = find_release(database, "p")
    assert (found.id, found.state, found.errata) == (1, "published", ())
    ids = [item.id for item in released_items(database, found)]
    assert ids == sorted(ids)


def test_rows_that_were_tampered_with_are_not_exported(applied: Applied, tmp_path: Path) -> None:
    copy_directory(applied.service.directory.path, tmp_path / "copy")
    server = open_server(DataDirectory.open(tmp_path / "copy"))
    with server.database.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER keep_release_rows_update"))
        changed = "UPDATE release_rows SET body = replace(body, 'turns white', 'turns pink') WHERE release_id = 1"
        connection.execute(text(changed))
    with pytest.raises(DataError, match="not those that were published"):
        export_from_release(server, find_release(server.database, "p", 1), tmp_path / "out", ExportSettings())
    server.close()
    assert not (tmp_path / "out").exists()

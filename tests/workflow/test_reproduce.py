"""workflow.reproduce: every kind of artifact can be made again from its own record, and any difference is named."""

import json
import os
import shutil
from dataclasses import replace

import pytest

from perceptlm import artifact
from perceptlm.artifact import MANIFEST, partial_path, read_manifest
from perceptlm.cli.main import run
from perceptlm.errors import ArtifactError
from perceptlm.workflow.reproduce import REBUILD, compare, reproduce


def unfinished(artifact_folder, partial):
    """Turn an artifact into unfinished work at `partial`, as a kill just before publishing leaves it."""
    os.rename(artifact_folder, partial)
    kept = ("format_version", "kind", "recipe", "recipe_digest", "seeds", "inputs")
    manifest = json.loads((partial / MANIFEST).read_text())
    request = {key: manifest[key] for key in kept}
    (partial / MANIFEST).unlink()
    (partial / artifact.REQUEST).write_text(json.dumps(request))
    return request


@pytest.mark.parametrize("part", ["world", "processor", "warmup", "blind/sft", "eval"])
def test_each_kind_is_made_again_to_the_same_bytes(demo, tmp_path, part):
    result = reproduce(demo / part, work=tmp_path / "again")
    assert result.differences == ()
    assert result.equal
    assert result.num_files == len(read_manifest(demo / part).outputs)
    assert not (tmp_path / "again").exists()


def test_a_demo_whose_parts_are_there_is_finished_to_the_same_bytes(demo, copy_demo, tmp_path):
    again = tmp_path / "again"
    unfinished(copy_demo(), partial_path(again))
    for name in ("report.html", "summary.json"):
        (partial_path(again) / name).unlink()
    result = reproduce(demo, work=again, keep=True)
    assert result.equal
    assert (again / "report.html").read_bytes() == (demo / "report.html").read_bytes()


@pytest.mark.slow
def test_a_demo_is_made_again_to_the_same_bytes(demo, tmp_path):
    result = reproduce(demo, work=tmp_path / "again")
    assert result.equal, result.differences


def test_all_kinds_of_the_demo_can_be_made_again(demo):
    kinds = {read_manifest(demo / name).kind for name in artifact.list_children(demo)} | {read_manifest(demo).kind}
    assert kinds | {"worldbench"} == set(REBUILD)  # tests/workflow/test_world_bench.py


def test_a_changed_file_is_named(copy_demo, change_byte, tmp_path):
    processor = copy_demo() / "processor"
    change_byte(processor / "special_tokens_map.json")
    # Published properly, so that its manifest agrees with the changed file: only making it again can tell.
    request = unfinished(processor, partial_path(processor))
    artifact.publish(partial_path(processor), processor, request)
    assert artifact.verify(processor) == []
    result = reproduce(processor, work=tmp_path / "again")
    assert not result.equal
    assert result.differences == ("special_tokens_map.json",)
    assert (tmp_path / "again" / MANIFEST).is_file()


def test_the_command_names_what_differs_and_exits_1(copy_demo, tmp_path, capsys):
    processor = copy_demo() / "processor"
    manifest = read_manifest(processor)
    outputs = {**manifest.outputs, "tokenizer.json": replace_digest(manifest.outputs["tokenizer.json"])}
    rewrite(processor, manifest.model_copy(update={"outputs": outputs}))
    assert run(["reproduce", str(processor), "--work", str(tmp_path / "again")]) == 1
    assert "differs in 1 files:\n  tokenizer.json\n" in capsys.readouterr().out


def test_differences_inside_a_part_name_part_and_file(demo, copy_demo):
    other = copy_demo()
    manifest = read_manifest(other / "processor")
    outputs = {**manifest.outputs, "tokenizer.json": replace_digest(manifest.outputs["tokenizer.json"])}
    rewrite(other / "processor", manifest.model_copy(update={"outputs": outputs, "digest": "1" * 64}))
    whole = read_manifest(other)
    rewrite(other, whole.model_copy(update={"children": {**whole.children, "processor": "1" * 64}}))
    assert compare(demo, other) == ["processor/tokenizer.json"]


def replace_digest(entry):
    return entry.model_copy(update={"sha256": "0" * 64})


def rewrite(directory, manifest):
    (directory / MANIFEST).unlink()
    (directory / MANIFEST).write_text(json.dumps(manifest.to_dict()))


def test_an_input_that_is_gone_is_named(copy_demo, tmp_path):
    demo = copy_demo()
    shutil.rmtree(demo / "world")
    with pytest.raises(ArtifactError, match="input 'world' is missing"):
        reproduce(demo / "warmup", work=tmp_path / "again")


def test_an_input_that_changed_is_named(copy_demo, tmp_path):
    demo = copy_demo()
    manifest = read_manifest(demo / "world")
    rewrite(demo / "world", manifest.model_copy(update={"digest": "1" * 64}))
    with pytest.raises(ArtifactError, match=r"input 'world' .* is not the one it was made from"):
        reproduce(demo / "warmup", work=tmp_path / "again")


def test_an_unknown_kind_says_which_are_known(tmp_path):
    made = artifact.build(tmp_path / "toy", kind="toy", recipe={}, make=lambda folder: None)
    with pytest.raises(ArtifactError, match=r"kind 'toy' \(known: checkpoint, decoder, demo"):
        reproduce(made)


def test_what_is_no_artifact_is_not_removed_for_the_new_copy(demo, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="stands in the way"):
        reproduce(demo / "processor", work=tmp_path / "precious")
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years of work"


def test_only_equal_digests_without_differences_are_equal(demo, tmp_path):
    result = reproduce(demo / "processor", work=tmp_path / "again")
    assert not replace(result, new_digest="1" * 64).equal
    assert not replace(result, differences=("a",)).equal

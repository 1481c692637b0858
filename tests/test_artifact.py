"""artifact: published once and whole, resumed after a kill, verified to the byte, never overwritten by accident."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perceptlm import artifact
from perceptlm.artifact import MANIFEST, build, partial_path, read_manifest, verify
from perceptlm.errors import ArtifactError, StorageError

RECIPE = {"size": 3}


def fill(partial):
    for number in range(3):
        path = partial / "data" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            artifact.write_atomic(path, f"file {number}\n".encode())
    artifact.write_run_record(partial, "times", {"now": time.time()})


def make(out, **changes):
    return build(out, **{"kind": "toy", "recipe": RECIPE, "make": fill, "seeds": {"root": 1}, **changes})


def content(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "times.json"
    }


def test_a_build_publishes_files_and_a_manifest_that_verifies(tmp_path):
    out = make(tmp_path / "a" / "toy")
    manifest = read_manifest(out)
    assert sorted(manifest.outputs) == ["data/0.txt", "data/1.txt", "data/2.txt"]
    assert (manifest.kind, manifest.recipe, manifest.seeds) == ("toy", RECIPE, {"root": 1})
    assert verify(out) == []
    assert sorted(path.name for path in out.parent.iterdir()) == ["toy"]
    assert sorted(path.name for path in out.iterdir()) == ["data", MANIFEST, "run"]


def test_two_builds_are_equal_in_every_digested_byte(tmp_path):
    assert content(make(tmp_path / "a")) == content(make(tmp_path / "b"))


def test_the_same_request_again_does_nothing(tmp_path):
    out = make(tmp_path / "toy")
    make(out, make=lambda partial: pytest.fail("built again"))


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the program catches it."""


STEPS = [
    "_digest_file",
    "read_manifest",
    "_remove_temporary_files",
    "write_atomic",
    "_sync_folder",
    "describe_hardware",
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("call", range(4))
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_it_goes_on_to_the_same_bytes(tmp_path, monkeypatch, step, call, after):
    parent = make(tmp_path / "parent")
    whole = make(tmp_path / "whole", inputs={"parent": parent})
    original, calls = getattr(artifact, step), []

    def die(*arguments, **options):
        calls.append(step)
        if len(calls) == call + 1 and not after:
            raise Killed
        result = original(*arguments, **options)
        if len(calls) == call + 1:
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(artifact, step, die)
        with contextlib.suppress(Killed):
            make(tmp_path / "out", inputs={"parent": parent})
    out = make(tmp_path / "out", inputs={"parent": parent})
    assert content(out) == content(whole)
    assert not partial_path(out).exists()
    assert verify(out) == []


@pytest.mark.parametrize("name", ["rename", "replace", "unlink", "fsync", "open"])
@pytest.mark.parametrize("call", range(1, 9, 2))
def test_killed_at_any_system_call_it_goes_on(tmp_path, name, call):
    """In a process of its own: the call exits on the spot, as SIGKILL would make it."""
    code = f"""
import builtins, os, pathlib, sys, importlib.util
spec = importlib.util.spec_from_file_location("test_artifact", {__file__!r})
test_artifact = importlib.util.module_from_spec(spec); spec.loader.exec_module(test_artifact)
from pathlib import Path
owner = builtins if {name!r} == "open" else os
original, calls = getattr(owner, {name!r}), []
def counted(*arguments, **options):
    if {name!r} != "open" or "partial" in str(arguments[0]):
        calls.append(1)
        if len(calls) == {call}:
            os._exit(9)
    return original(*arguments, **options)
setattr(owner, {name!r}, counted)
test_artifact.make(Path({str(tmp_path / "out")!r}))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode in (0, 9)
    out = make(tmp_path / "out")
    assert content(out) == content(make(tmp_path / "whole"))


def test_a_torn_temporary_file_is_not_published(tmp_path):
    whole = content(make(tmp_path / "whole"))
    partial = partial_path(tmp_path / "toy")
    partial.mkdir()
    (partial / ".request.json.tmp").write_bytes(b'{"ki')
    assert content(make(tmp_path / "toy")) == whole

    def stop(partial):
        (partial / "data").mkdir()
        (partial / "data" / "0.txt.tmp").write_bytes(b"fil")
        raise Killed

    with pytest.raises(Killed):
        make(tmp_path / "other", make=stop)
    assert content(make(tmp_path / "other")) == whole


def test_unfinished_work_of_another_recipe_stays_unless_overwritten(tmp_path):
    def stop(partial):
        (partial / "half.txt").write_text("x")
        raise Killed

    out = tmp_path / "toy"
    with pytest.raises(Killed):
        make(out, make=stop, recipe={"size": 4})
    with pytest.raises(ArtifactError, match="unfinished work") as caught:
        make(out)
    assert "--overwrite" in caught.value.hint
    assert (partial_path(out) / "half.txt").exists()
    assert "half.txt" not in read_manifest(make(out, overwrite=True)).outputs


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"kind": 1}', b"\xff", b'{"inputs": 3}'])
def test_a_damaged_request_counts_as_other_work(tmp_path, damage):
    partial = partial_path(tmp_path / "toy")
    partial.mkdir()
    (partial / artifact.REQUEST).write_bytes(damage)
    (partial / "half.txt").write_text("an hour of work")
    with pytest.raises(ArtifactError, match="unfinished work"):
        make(tmp_path / "toy")


@pytest.mark.parametrize("changes", [{"recipe": {"size": 4}}, {"seeds": {"root": 2}}, {"kind": "other"}])
def test_another_request_does_not_replace_an_artifact_unless_told(tmp_path, changes):
    out = make(tmp_path / "toy")
    before = content(out)
    with pytest.raises(ArtifactError, match="already exists"):
        make(out, **changes)
    assert content(out) == before
    make(out, overwrite=True, **changes)
    assert content(out) != before
    assert verify(out) == []
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_an_overwrite_that_fails_leaves_the_old_artifact_whole(tmp_path):
    out = make(tmp_path / "toy")
    before = content(out)

    def fail(partial):
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(StorageError, match="disk is full"):
        make(out, recipe={"size": 4}, make=fail, overwrite=True)
    assert content(out) == before
    assert verify(out) == []


def test_what_is_not_an_artifact_is_never_removed(tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="not an artifact"):
        make(out, overwrite=True)
    assert (out / "thesis.txt").read_text() == "years of work"
    file = tmp_path / "file"
    file.write_text("x")
    link = tmp_path / "link"
    link.symlink_to(out)
    for place in (file, link):
        with pytest.raises(ArtifactError, match="not a directory"):
            make(place, overwrite=True)


def test_an_empty_directory_is_used(tmp_path):
    (tmp_path / "toy").mkdir()
    assert verify(make(tmp_path / "toy")) == []


def test_a_damaged_manifest_is_replaced_only_when_told(tmp_path):
    out = make(tmp_path / "toy")
    (out / MANIFEST).write_text("{")
    with pytest.raises(ArtifactError):
        make(out)
    assert verify(make(out, overwrite=True)) == []


def test_altered_missing_and_extra_files_are_all_found(tmp_path):
    out = make(tmp_path / "toy")
    (out / "data" / "0.txt").write_text("file 9\n")
    (out / "data" / "1.txt").unlink()
    (out / "extra").mkdir()
    (out / "extra" / "x").write_text("")
    problems = "\n".join(verify(out))
    assert "0.txt: differs" in problems
    assert "1.txt: missing" in problems
    assert "extra/x: not in the manifest" in problems
    assert len(problems.splitlines()) == 3


def test_the_run_folder_is_not_digested(tmp_path):
    out = make(tmp_path / "toy")
    artifact.write_run_record(out, "times", {"now": 0})
    artifact.write_run_record(out, "more", {})
    assert verify(out) == []


def test_a_tagged_cache_is_not_content_and_hides_none(tmp_path):
    out = make(tmp_path / "toy")
    (out / "data/index/deeper").mkdir(parents=True)
    (out / "data/index/deeper" / MANIFEST).write_text("no child")
    assert verify(out) == [f"{out / 'data/index/deeper'}: not in the manifest"]
    (out / "data/index" / artifact.CACHE_TAG).write_bytes(artifact.CACHE_TAG_TEXT)
    assert verify(out) == []
    (out / "data" / artifact.CACHE_TAG).write_bytes(artifact.CACHE_TAG_TEXT)
    assert verify(out) == [f"{out / 'data' / f'{number}.txt'}: missing" for number in range(3)]


@pytest.mark.parametrize("key", ["kind", "recipe", "seeds", "outputs"])
def test_an_altered_manifest_is_found(tmp_path, key):
    out = make(tmp_path / "toy")
    record = json.loads((out / MANIFEST).read_text())
    record[key] = {"kind": "x", "recipe": {"size": 9}, "seeds": {"root": 9}, "outputs": {}}[key]
    (out / MANIFEST).write_text(json.dumps(record))
    assert verify(out) != []


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [(lambda r: r.pop("digest"), "'digest'"), (lambda r: r.update(colour="red"), "unknown key 'colour'")],
)
def test_a_manifest_of_another_shape_is_refused_by_field(tmp_path, damage, complaint):
    out = make(tmp_path / "toy")
    record = json.loads((out / MANIFEST).read_text())
    damage(record)
    (out / MANIFEST).write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match=complaint):
        verify(out)


def test_what_is_no_artifact_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="no such directory"):
        verify(tmp_path / "none")
    with pytest.raises(ArtifactError, match="not a published artifact"):
        verify(tmp_path)


def test_links_are_refused(tmp_path):
    out = make(tmp_path / "toy")
    (out / "link").symlink_to("/")
    with pytest.raises(ArtifactError, match="holds no links"):
        verify(out)
    with pytest.raises(ArtifactError, match="holds no links"):
        make(tmp_path / "other", make=lambda partial: (partial / "l").symlink_to("x"))


def test_lineage_is_followed_and_moves_with_its_folder(tmp_path):
    parent = make(tmp_path / "a" / "parent")
    child = make(tmp_path / "a" / "child", inputs={"data": parent})
    assert read_manifest(child).inputs["data"].path == "../parent"
    shutil.move(tmp_path / "a", tmp_path / "b")
    child, parent = tmp_path / "b" / "child", tmp_path / "b" / "parent"
    (tmp_path / "link").symlink_to(child)
    assert verify(child) == verify(tmp_path / "link") == []
    (parent / "data" / "0.txt").write_text("x")
    assert len(verify(child)) == 1
    assert verify(child, lineage=False) == []
    parent.rename(tmp_path / "elsewhere")
    assert "input 'data'" in verify(child)[0]
    assert verify(child, lineage=False) == []


def test_a_parent_made_anew_is_noticed(tmp_path):
    parent = make(tmp_path / "parent")
    child = make(tmp_path / "child", inputs={"data": parent})
    make(parent, recipe={"size": 4}, overwrite=True)
    assert "not the one" in verify(child)[0]
    with pytest.raises(ArtifactError, match="already exists"):
        make(child, inputs={"data": parent})


def test_a_manifest_that_names_itself_as_parent_ends(tmp_path):
    out = make(tmp_path / "toy")
    record = json.loads((out / MANIFEST).read_text())
    record["inputs"] = {"me": {"path": ".", "kind": "toy", "digest": record["digest"]}}
    (out / MANIFEST).write_text(json.dumps(record))
    assert len(verify(out)) == 1


def test_children_enter_by_their_digest(tmp_path):
    def fill_family(partial):
        first = make(partial / "first")
        make(partial / "second", inputs={"data": first})
        (partial / "summary.json").write_text(str(time.time()))

    out = make(tmp_path / "family", make=fill_family, beside=("summary.json",))
    manifest = read_manifest(out)
    assert (sorted(manifest.children), manifest.outputs) == (["first", "second"], {})
    assert verify(out) == []
    assert manifest.digest == read_manifest(make(tmp_path / "again", make=fill_family, beside=["summary.json"])).digest
    (out / "first" / "data" / "0.txt").write_text("x")
    assert len(verify(out)) == 1
    make(out / "first", recipe={"size": 4}, overwrite=True)
    assert "part 'first'" in verify(out)[0]
    shutil.rmtree(out / "second")
    assert any("second: missing" in problem for problem in verify(out))


def test_a_hostile_child_name_leads_nowhere(tmp_path):
    out, other = make(tmp_path / "toy"), make(tmp_path / "other")
    record = json.loads((out / MANIFEST).read_text())
    record["children"] = {"../other": read_manifest(other).digest}
    (out / MANIFEST).write_text(json.dumps(record))
    assert any("../other: missing" in problem for problem in verify(out))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence_and_the_rerun_goes_on(tmp_path, monkeypatch, number):
    def no_space(descriptor):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(StorageError, match="disk is full") as caught:
            make(tmp_path / "toy")
    assert "run the same command again" in caught.value.hint
    assert not (tmp_path / "toy").exists()
    assert list(partial_path(tmp_path / "toy").iterdir()) == []
    assert verify(make(tmp_path / "toy")) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_really_full_device_is_reported_as_one(tmp_path):
    def write():
        with artifact.translate_os_errors(tmp_path), open("/dev/full", "wb") as file:
            file.write(b"x")

    with pytest.raises(StorageError, match="disk is full"):
        write()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="file stands in the way"):
        make(tmp_path / "file" / "toy")


def test_an_atomic_write_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "x"
    artifact.write_atomic(path, b"old")

    def fail(*arguments):
        raise OSError(errno.EACCES, "no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StorageError, match="no access"):
        artifact.write_atomic(path, b"new")
    assert [item.name for item in tmp_path.iterdir()] == ["x"]
    assert path.read_bytes() == b"old"


def test_unfinished_work_without_any_file_stands_in_nobodys_way(tmp_path):
    def fail(partial):
        (partial / "empty").mkdir()
        raise ValueError("bad input")

    with pytest.raises(ValueError, match="bad input"):
        build(tmp_path / "toy", kind="toy", recipe={"a": 1}, make=fail)
    assert partial_path(tmp_path / "toy").exists()
    build(tmp_path / "toy", kind="toy", recipe={"a": 2}, make=lambda partial: None)
    assert read_manifest(tmp_path / "toy").recipe == {"a": 2}


@pytest.mark.parametrize("name", [".", "..", "toy/.."])
def test_a_directory_without_a_name_of_its_own_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="cannot be replaced"):
        build(Path(name), kind="toy", recipe={}, make=lambda partial: None)
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_of_another_kind_is_named_with_what_is_needed(tmp_path):
    made = build(tmp_path / "toy", kind="toy", recipe={}, make=lambda partial: None)
    assert artifact.require_kind(made, "other", "toy").kind == "toy"
    with pytest.raises(ArtifactError, match="toy: an artifact of kind 'toy', but a 'world' or 'eval' is needed here"):
        artifact.require_kind(made, "world", "eval")


def test_parts_of_the_work_may_be_done_before_anything_is_published(tmp_path):
    out = tmp_path / "toy"

    def part(name):
        return lambda partial: (partial / name).write_text(name)

    assert make(out, make=part("a"), unfinished=True) == partial_path(out)
    (partial_path(out) / "b.txt.tmp").write_text("another process is writing this")
    assert make(out, make=part("c"), unfinished=True) == partial_path(out)
    assert (partial_path(out) / "b.txt.tmp").is_file()
    assert not out.exists()
    with pytest.raises(ArtifactError, match="unfinished work of another recipe"):
        make(out, make=part("d"), recipe={"size": 4}, unfinished=True)
    make(out)
    assert {path.name for path in out.iterdir()} == {"a", "c", "data", "run", MANIFEST}
    assert make(out, make=part("e"), unfinished=True) == out


def test_many_processes_may_begin_the_same_work_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from perceptlm.artifact import build\n"
        "build(Path(sys.argv[1]), kind='toy', recipe={}, unfinished=True,\n"
        "      make=lambda partial: (partial / sys.argv[2]).write_text('done'))"
    )
    out = tmp_path / "new" / "toy"
    running = [subprocess.Popen([sys.executable, "-c", code, out, str(number)]) for number in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert {path.name for path in partial_path(out).iterdir()} == {"0", "1", "2", "3", ".request.json"}

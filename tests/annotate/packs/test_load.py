"""Packs load whole or say what is wrong: the file, the line, the field, what to do. Hostile ones get nowhere."""

import json
import os

import pytest
from annotation_pack import CALIBRATION, GOLD, GUIDELINE, ITEM, SCENE, YAML, small_pack

from perceptlm.annotate.packs.load import find_pack, load_pack
from perceptlm.errors import DataError, UsageError


@pytest.fixture
def root(tmp_path):
    return small_pack(tmp_path / "small")


def test_a_pack_is_read_whole(root):
    pack = load_pack(root)
    assert [node.id for node in pack.file.domain_nodes()] == ["things", "keys", "drums"]
    assert pack.file.policy.gold_rate == 0.2
    assert pack.pictures == ("frame.png",)
    assert [item.key for item in pack.all_items()] == ["clip-1", "clip-2", "clip-3"]
    assert pack.items[0].proposals[0].planted_wrong
    assert pack.scenes[0].media_path == "media/clip.mp4"
    assert pack.file.question_type("where").options == ("left", "right")
    assert pack.file.question_type("why") is None


def test_a_credential_for_a_domain_holds_for_those_below_it(root):
    file = load_pack(root).file
    assert [rule.level for rule in file.rules_for("keys")] == ["expert"]
    assert file.rules_for("elsewhere") == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("title: A small pack", "titel: A small pack", 3, "did you mean 'title'"),
        ("version: 1.0.0", "version: new", 4, "version"),
        ("gold_rate: 0.2", "gold_rate: 2", 28, "policy.gold_rate"),
        ("[choice, expert]", "[expert, choice]", 17, "in the order"),
        ("kind: choice", "kind: fgqa", 17, "blind_answer"),
        ("[left, right]", "[left, Left]", 17, "stands there twice"),
        ("[left, right]", "[left]", 17, "2 to 26"),
        ("{id: keys, title: Keys}", "{id: drums, title: Keys}", 1, "domains: 'drums' stands there twice"),
        ("{domain: things,", "{domain: thing,", 1, "no domain 'thing'"),
        ("{id: ambiguous,", "{id: silly,", 23, "reason_codes.question.0.id"),
        ("id: small", "id: small\nid: large", 3, "stands there twice"),
        ("title: A small pack", "title: &a A small pack\nlicense: *a", 4, "aliases"),
        ("title: A small pack", "title: [", None, "not valid YAML"),
        ("title: A small pack", 'title: "A \\x1b[2J pack"', 3, "U+001B"),
        ("title: A small pack", "title: !!python/object/apply:os.system [ls]", 3, "not valid YAML"),
        ("submit: Ctrl+Enter", "submit: <b>", 29, "shortcuts.submit"),
    ],
)
def test_what_is_wrong_with_pack_yaml(root, old, new, line, said):
    assert old in YAML
    (root / "pack.yaml").write_text(YAML.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_pack(root)
    assert said in caught.value.message
    assert caught.value.path.name == "pack.yaml"
    if line is not None:
        assert caught.value.line == line


def changed(record, path, value):
    copy = json.loads(json.dumps(record))
    node = copy
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("name", "record", "said"),
    [
        ("items", changed(ITEM, ["asset"], "media/other.mp4"), "neither a file nor a scene"),
        ("items", changed(ITEM, ["asset"], "media/../../etc/passwd"), "'asset'"),
        ("items", changed(ITEM, ["asset"], "/etc/passwd"), "'asset'"),
        ("items", changed(ITEM, ["domain"], "nails"), "no domain 'nails'"),
        ("items", changed(ITEM, ["question_type"], "why"), "no question type 'why'"),
        ("items", changed(ITEM, ["question"], "What\u202e?"), "U+202E"),
        ("items", changed(ITEM, ["options"], ["a", "b"]), "a free answer has none"),
        ("items", changed(ITEM, ["key"], "clip-2"), "stands in the pack twice"),
        ("items", changed(ITEM, ["proposals", 0, "kind"], "choice"), "kind answer and distractor"),
        ("items", changed(ITEM, ["proposals", 0, "models"], 1), "unknown key"),
        ("gold", changed(GOLD, ["expected", "choice"], 2), "2 options"),
        ("gold", changed(GOLD, ["expected", "evidence", "end"], 25), "the clip has 24"),
        ("gold", changed(GOLD, ["expected"], {"verdict": "valid"}), "expected"),
        ("gold", changed(GOLD, ["step"], "question_check"), "expected"),
        ("gold", changed(GOLD, ["item", "options"], ["a", "b"]), "either with the question type or with the item"),
        ("calibration", changed(CALIBRATION, ["distractor"], 1), "distractor 1"),
        ("calibration", changed(CALIBRATION, ["distractor"], None), "exactly for the step"),
        ("scenes", changed(SCENE, ["id"], "../clip"), "'id'"),
        ("scenes", changed(SCENE, ["background"], "moon"), "no background"),
        ("scenes", changed(SCENE, ["things", 0, "kind"], "scalpel"), "no kind 'scalpel'"),
        ("scenes", changed(SCENE, ["events", 0, "thing"], "lamp"), "names 'lamp'"),
        ("scenes", changed(SCENE, ["events", 0, "end"], 25), "after the last of 24"),
        ("scenes", changed(SCENE, ["events", 0, "end"], 9), "at least 8 frames"),
        ("scenes", changed(SCENE, ["events", 0, "count"], None), "needs 'count'"),
        ("scenes", changed(SCENE, ["events", 0, "action"], "follow"), "cannot be drawn"),
        ("scenes", changed(SCENE, ["events", 0], {"thing": "drum", "action": "turn", "direction": "up", "start": 2,
                                                   "end": 12}), "a drum cannot turn"),
        ("scenes", changed(SCENE, ["events"], SCENE["events"] * 2), "overlap"),
        ("scenes", changed(SCENE, ["events"], [*SCENE["events"], {"thing": "drum", "action": "hit", "object": "key",
                                                                   "start": 2, "end": 12}]), "does nothing itself"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_line(root, name, record, said):
    path = root / f"{name}.jsonl"
    path.write_text("\n" + json.dumps(record) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_pack(root)
    assert said in caught.value.message
    # A key that two files share is only seen in the second of them.
    assert caught.value.path == (path if "twice" not in said else root / "gold.jsonl")
    assert caught.value.line == (2 if "twice" not in said else 1)


def test_a_pack_without_items_is_none(root):
    (root / "items.jsonl").unlink()
    with pytest.raises(DataError, match="at least one item"):
        load_pack(root)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.py", b"print()", "no code"),
        ("media/page.html", b"<script>alert(1)</script>", "neither an image nor a video"),
        ("media/clip.mp4", None, "there already"),
        ("pictures/frame.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "SVG"),
        ("pictures/page.png", b"<html></html>", "kind that its name says"),
        ("pictures/a b.png", b"", "cannot stand in a link"),
        ("pictures/.hidden.png", b"", "cannot stand in a link"),
        ("deeper/file.txt", b"", "folder that no pack has"),
        ("guideline.md", b"\xff\xfe", "not UTF-8"),
        ("guideline.md", b"x" * 600_000, "larger than"),
    ],
)
def test_files_that_no_pack_has_are_refused(root, name, content, said):
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((root / "pictures/frame.png").read_bytes() if content is None else content)
    with pytest.raises(DataError) as caught:
        load_pack(root)
    assert said in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("name", ["gold.jsonl", "pictures/other.png", "media"])
def test_links_lead_nowhere(root, tmp_path, name):
    (tmp_path / "outside").mkdir()
    path = root / name
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(DataError, match="is a link"):
        load_pack(root)


def test_a_pipe_is_not_waited_for(root):
    os.mkfifo(root / "README.md")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        load_pack(root)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("![x](pictures/none.png)", 9, "pictures/none.png"),
        ("![x](https://example.org/x.png)", 9, "not in the pack"),
        ("![x](pictures/../../x.png)", 9, "not in the pack"),
        ("[x](file:///etc/passwd)", 9, "no http"),
        ("<b>bold</b>", 9, "raw HTML"),
        ("\n<script>\nalert(1)\n</script>", 10, "raw HTML"),
    ],
)
def test_what_is_wrong_with_a_guideline(root, text, line, said):
    (root / "guideline.md").write_text(f"{GUIDELINE}\n# More\n\n{text}\n", encoding="utf-8")
    with pytest.raises(DataError, match=said) as caught:
        load_pack(root)
    assert (caught.value.path.name, caught.value.line) == ("guideline.md", line)


def test_packs_are_found_by_name_or_by_directory(root):
    assert find_pack("surgery-demo").name == "surgery-demo"
    assert find_pack(str(root)) == root
    with pytest.raises(UsageError, match="no pack 'surgery'") as caught:
        find_pack("surgery")
    assert "inspection-demo, surgery-demo" in caught.value.hint
    with pytest.raises(DataError, match="no such directory"):
        load_pack(root / "none")

"""The shipped packs are sound, say the truth, and are what the tool makes."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from perceptlm.annotate.fgqa.give_aways import BlindBiasCounter
from perceptlm.annotate.fgqa.groups import binary_group
from perceptlm.annotate.fgqa.text_rules import same_text
from perceptlm.annotate.packs import load
from perceptlm.annotate.packs.load import SHIPPED, load_pack, shipped_packs
from perceptlm.annotate.packs.pack import Drawing
from perceptlm.annotate.packs.prepare import prepare_pack
from perceptlm.annotate.packs.scenes import truth_of

TOOLS = Path(__file__).resolve().parents[3] / "tools"
PACKS = {name: load_pack(SHIPPED / name) for name in shipped_packs()}


def test_two_packs_ship():
    assert shipped_packs() == ("inspection-demo", "surgery-demo")
    assert load.find_pack("surgery-demo") == SHIPPED / "surgery-demo"


@pytest.fixture(params=PACKS, name="pack")
def each_pack(request):
    return PACKS[request.param]


def test_each_has_what_a_worked_example_needs(pack):
    assert len({item.domain for item in pack.items}) >= 3
    assert pack.file.credential_rules
    assert {check.step for check in pack.gold} == {"question_check", "blind_answer", "choice", "distractor"}
    assert {check.step for check in pack.calibration} == {"question_check", "blind_answer", "choice", "distractor"}
    assert all(check.explanation for check in (*pack.gold, *pack.calibration))
    planted = [proposal for item in pack.items for proposal in item.proposals if proposal.planted_wrong]
    assert {proposal.kind for proposal in planted} == {"answer", "distractor", "choice"}
    size = sum((pack.root / "pictures" / name).stat().st_size for name in pack.pictures)
    assert 0 < size < 300_000
    assert all(f"pictures/{name}" in pack.guideline for name in pack.pictures)


def test_the_surgery_demo_says_that_it_is_no_medical_data():
    assert "no medical data" in " ".join(PACKS["surgery-demo"].guideline.split())
    assert "no medical data" in PACKS["surgery-demo"].file.description


def test_calibration_clips_are_not_those_of_work_and_gold_keys_tell_nothing(pack):
    work = {item.asset for item in pack.items}
    assert not work & {check.item.asset for check in pack.calibration}
    assert {check.item.asset for check in pack.gold} <= work, "gold must not stand out by its clip"
    assert not any("gold" in item.key for item in pack.all_items())


def test_what_a_scene_says_is_what_shows(pack):
    for recipe in pack.scenes:
        record = truth_of(recipe, pack.file.drawing)
        for event in record.scene.events:
            frames = range(event.start_frame, event.end_frame + 1)
            shown = [record.visible_fraction[event.subject][frame] for frame in frames]
            least = {"enter": 0.0, "leave": 0.0}.get(event.action, 0.5 if event.object is not None else 0.95)
            assert min(shown) >= least
            assert max(shown) > 0.5
        assert all(record.boxes)


def test_gold_evidence_is_where_an_event_is(pack):
    events = {recipe.media_path: recipe.events for recipe in pack.scenes}
    for check in (*pack.gold, *pack.calibration):
        interval = check.expected.get("evidence")
        if interval is not None:
            starts = {event.start for event in events[check.item.asset]}
            assert interval["start"] in starts


def test_no_answer_stands_among_its_distractors_and_none_is_told_by_its_form(pack):
    counter = BlindBiasCounter()
    for check in (*pack.gold, *pack.calibration):
        if check.step == "blind_answer":
            right, wrong = check.expected["answers"], check.expected["wrong"]
            assert not any(same_text(one, other) for one in right for other in wrong)
            question = check.item.question
            counter.add(binary_group(check.item.key, question, right[0], wrong))
    for name, found in counter.result().rules.items():
        assert found.p_value > 0.01, name


@pytest.fixture(name="tool")
def the_tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    names = ("make_demo_packs", "demo_pack_parts", "demo_pack_surgery", "demo_pack_inspection")
    import make_demo_packs

    yield make_demo_packs
    for name in names:
        sys.modules.pop(name, None)


def test_the_tool_writes_what_ships(pack, tool, tmp_path, monkeypatch):
    seeds = {recipe.id: recipe.seed for recipe in pack.scenes}
    maker = tool.MAKERS[pack.file.id]
    settled = maker.settled
    # The search for a clear layout takes long; it is begun where it ended.
    monkeypatch.setattr(maker, "settled", lambda values, drawing, seed: settled(values, drawing, seeds[values["id"]]))
    tool.write_lines(tmp_path, maker.case, maker.WHY)
    for name in ("scenes", "items", "gold", "calibration"):
        shipped = (pack.root / f"{name}.jsonl").read_text(encoding="utf-8")
        assert (tmp_path / f"{name}.jsonl").read_text(encoding="utf-8") == shipped, "run tools/make_demo_packs.py"
    assert pack.file.drawing == tool.DRAWING == Drawing()


def test_questions_and_steps_are_spread(pack):
    kinds = Counter(item.question_type for item in pack.items)
    assert set(kinds) <= {kind.id for kind in pack.file.question_types}
    used = {item.question_type for item in pack.all_items()}
    assert used == {kind.id for kind in pack.file.question_types}, "a question type that nobody is asked"
    assert max(kinds.values()) <= len(pack.items) // 3


@pytest.mark.slow
def test_each_is_drawn_whole(pack, tmp_path):
    made = prepare_pack(pack, tmp_path / "pack")
    assert len(made.assets) == 13
    assert sum(asset.path.stat().st_size for asset in made.assets) < 2_000_000
    assert all(asset.record == truth_of(recipe, pack.file.drawing)
               for asset, recipe in zip(made.assets, pack.scenes, strict=True))  # fmt: skip
    assert json.loads((made.directory / "items.jsonl").read_text().splitlines()[0])["key"] == pack.items[0].key
    assert load_pack(made.directory).items == pack.items

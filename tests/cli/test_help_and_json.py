"""Every command explains itself, and with --json prints one JSON value to stdout and nothing else."""

import io
import json
from pathlib import Path

import pytest
from annotation_pack import small_pack
from released_items import asset_of, released_item

from perceptlm.annotate.packs.load import SHIPPED
from perceptlm.cli.main import NOUNS, load_command, run
from perceptlm.exchange.jsonl import read_records, write_records
from perceptlm.schema import Sample

VECTORS = Path(__file__).resolve().parents[1] / "eval" / "data" / "eval_public.json"
RECORDED = Path(__file__).resolve().parents[1] / "model" / "data" / "perception_lm_tiny_l"


def verbs():
    """Return every command with its verbs, and theirs, as argument lists."""
    return [path for noun in NOUNS for path in below([noun], load_command(noun))]


def below(path, command):
    """Return the path of a command, or those of the verbs below it."""
    inner = getattr(command, "commands", {})
    return [found for verb in inner for found in below([*path, verb], inner[verb])] or [path]


@pytest.mark.parametrize("command", verbs(), ids=" ".join)
def test_help_names_every_option(command, capsys):
    assert run([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    target = load_command(command[0])
    for verb in command[1:]:
        target = target.commands[verb]
    for parameter in target.params:
        if parameter.param_type_name == "option":
            assert parameter.opts[0] in shown
    assert "--json" in shown
    # Rich takes brackets for markup and leaves them out.
    assert not [p.name for p in target.params if p.param_type_name == "option" and "[default" in (p.help or "")]


def record_with_video(world):
    """Return the path of a video of a world, relative to it."""
    return next(p for p in sorted((world / "train").rglob("*.mp4"))).relative_to(world).as_posix()


@pytest.mark.parametrize("command", verbs(), ids=" ".join)
def test_json(demo, traced, own_weights, annotated, needing_nothing, tmp_path, capsys, monkeypatch, command):
    monkeypatch.setenv("PLM_ANNOTATE_PASSWORD", "correct horse battery")
    monkeypatch.setenv("PLM_ANNOTATE_KEY", "any")
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: [found.close() for found in sockets])
    monkeypatch.setattr("sys.stdin", io.StringIO("What?\n"))
    encoder, llama = own_weights
    world, processor, out = demo / "world", demo / "processor", tmp_path / "out"
    rows = tmp_path / "rows.jsonl"
    said = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "That."}]
    rows.write_text(json.dumps({"conversations": said}))
    texts = tmp_path / "texts"
    (texts / "train").mkdir(parents=True)
    record = next(iter(read_records(world / "train" / "samples.jsonl", Sample))).model_copy(update={"media": ()})
    write_records(texts / "train" / "samples.jsonl", [record])
    labels = tmp_path / "labels.jsonl"
    asset = asset_of(world / record_with_video(world), record_with_video(world))
    write_records(labels, [released_item("1", asset)])
    scenario = tmp_path / "scenario.json"
    person = {"count": 4, "easy": 0.9, "hard": 0.6}
    scenario.write_text(json.dumps({"items": {"count": 20}, "annotators": [person], "seeds": 1}))
    arguments = {
        "annotate simulate": [scenario, "--offline", "--no-baselines"],
        "demo": ["--smoke", "--out", demo],
        "world make": ["--clips", 1, "--images", 1, "--validation", 0, "--out", out, "--dry-run"],
        "world bench": ["--size", "small", "--out", out, "--dry-run"],
        "annotate packs": [],
        "annotate pack check": [SHIPPED / "surgery-demo"],
        "annotate pack draw": [small_pack(tmp_path / "pack"), out],
        "data convert": ["llava", rows, "--out", out, "--origin", "person:me:1:CC0-1.0"],
        "data index": [texts, "--split", "train"],
        "data decontaminate": [texts, "--against", world],
        "data list": ["--kind", "text"],
        "data validate": [world],
        "data stats": [world, "--out", out],
        "data mixture": ["sft"],
        "data audit": [world],
        "annotate propose": [needing_nothing, "--project", "p", "--dry-run"],
        "annotate text-only": [needing_nothing, "--project", "p", "--dry-run"],
        "annotate export": ["--rows", labels, "--media", world, "--out", out, "--formats", "samples"],
        "weights info": [RECORDED],
        "weights verify": [RECORDED],
        "weights assemble": [out, "--vision", encoder, "--decoder", llama, "--release", "PE-Core-T16-384", "--dry-run"],
        "weights convert": [RECORDED, out, "--to", "original"],
        "train part": ["encoder", "--out", out, "--set", "num_chunks=1", "--set", "batches_per_chunk=1",
                       "--set", "num_scenes=1", "--set", "num_frames=1"],
        "train adapt": ["--start", demo / "sft", "--data", world, "--out", out, "--dry-run"],
        "train plan": ["plm_1b", "sft"],
        "train processor": ["--data", world, "--out", out, "--set", "vocab_size=400"],
        "train status": [demo / "warmup"],
        "train stage": ["warmup", "--recipe", demo / "warmup" / "recipe.yaml", "--data", world, "--start", processor,
                        "--out", demo / "warmup"],
        "eval doctor": ["--data", world],
        "eval report": [demo / "eval", "--out", out / "report.html", "--samples", 1],
        "eval run": ["--data", world, "--model", demo / "sft", "--out", out, "--limit", 1, "--dry-run"],
        "eval vectors": [VECTORS],
        "eval compare": [demo / "eval", demo / "eval"],
        "eval judge-agreement": [demo / "eval", "--against", demo / "eval"],
        "annotate init": [tmp_path / "new", "--owner", "own"],
        "annotate project-add": [annotated, small_pack(tmp_path / "small"), "--owner", "own"],
        "annotate serve": [annotated, "--port", "0"],
        "annotate backup": [annotated, "--out", out],
        "annotate verify-log": [annotated],
        "annotate user-add": [annotated, "ann"],
        "annotate user-password": [annotated, "own"],
        "annotate user-disable": [annotated, "left"],
        "annotate member": [annotated, "own", "annotator", "--project", "p"],
        "annotate member-remove": [annotated, "left", "--project", "p", "--reason", "left"],
        "annotate credential-revoke": [annotated, 1, "--reason", "left"],
        "annotate keys": [annotated, "--project", "p"],
        "annotate key-revoke": [annotated, 1, "--project", "p", "--reason", "lost"],
        "annotate key-add": [annotated, "import", "--project", "p", "--scope", "items.create", "--owner", "own"],
        "generate": ["--model", demo / "sft", "--image", traced / "2-pictures.png", "What?", "--max-new-tokens", 1],
        "chat": ["--model", demo / "sft", "--image", traced / "2-pictures.png", "--max-new-tokens", 1],
        "trace": ["--data", world, "--model", demo / "sft", "--out", out],
        "verify": [demo],
        "reproduce": [processor, "--work", out],
        "info": [],
    }[" ".join(command)]  # fmt: skip
    assert run([*command, *map(str, arguments), "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)

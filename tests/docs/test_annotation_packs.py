"""The example in docs/annotation-packs.md is a pack: it is written from the page, checked and drawn."""

import re
from pathlib import Path

from perceptlm.annotate.packs.load import load_pack
from perceptlm.annotate.packs.pack_files import FILES
from perceptlm.annotate.packs.prepare import prepare_pack
from perceptlm.cli.main import run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "annotation-packs.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_is_a_sound_pack(tmp_path, capsys):
    root = tmp_path / "my-pack"
    root.mkdir()
    blocks = re.findall(r"^`([a-z.]+)`:\n\n```\w+\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE)
    for name, text in blocks:
        (root / name).write_text(text, encoding="utf-8")
    assert {name for name, _ in blocks} == FILES - {"truth.jsonl", "README.md", "LICENSE"}
    assert run(["annotate", "pack", "check", str(root)]) == 0
    assert "2 items, 1 gold, 1 for calibration, 1 clips" in capsys.readouterr().out
    made = prepare_pack(load_pack(root), tmp_path / "drawn")
    assert made.assets[0].num_frames == 48


def test_every_file_of_a_pack_is_on_the_page():
    for name in FILES - {"truth.jsonl"}:
        assert f"`{name}`" in PAGE

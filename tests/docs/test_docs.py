"""The documents say what is so: links lead somewhere, commands exist, and the README lists the commands there are."""

import re
from pathlib import Path

import pytest

from perceptlm.artifact import Manifest
from perceptlm.cli.main import NOUNS, load_command

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_of(text):
    """Return what stands in code blocks and between backticks."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_named_anywhere_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for line in code_of(page.read_text(encoding="utf-8")):
        command = re.match(r"(?:\.venv/bin/)?plm ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?", line)
        if command:
            noun, verb = command.groups()
            assert noun in NOUNS, line
            verbs = getattr(load_command(noun), "commands", {})
            assert not verbs or verb is None or verb in verbs, line
        made = re.match(r"make ([a-z-]+)", line)
        assert made is None or made.group(1) in targets, line


def test_options_in_commands_of_the_readme_exist():
    for line in code_of(README):
        command = re.match(r"plm ([a-z]+)(.*)", line)
        if command:
            found = load_command(command.group(1))
            verb = command.group(2).split()[0] if command.group(2).strip() else ""
            found = getattr(found, "commands", {}).get(verb, found)
            known = {option for parameter in found.params for option in parameter.opts}
            for option in re.findall(r"--[a-z-]+", command.group(2).partition("#")[0]):
                assert option in known, line


def test_the_readme_lists_the_commands_there_are():
    listed = re.findall(r"^\| `plm ([a-z]+)` \| (.+) \|$", README, flags=re.MULTILINE)
    assert listed == [(name, noun.help) for name, noun in NOUNS.items()]


def test_the_first_screen_of_the_readme_says_how_to_begin():
    first_screen = "\n".join(README.splitlines()[:20])
    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_folders_named_in_the_readme_exist():
    for folder in re.findall(r"^\| `([a-z/]+/)` \|", README, flags=re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_every_key_of_the_manifest_is_described_and_no_other():
    text = (ROOT / "docs" / "artifacts.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE) == list(Manifest.model_fields)

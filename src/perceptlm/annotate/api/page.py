"""The page people work in, as files that were built into the package; where they were not, a sentence that says how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, PlainTextResponse, Response

from perceptlm.annotate.api.access import guarded
from perceptlm.annotate.refusals import NotFound
from perceptlm.annotate.roles import Action

WEB = Path(__file__).resolve().parents[1] / "web"
MISSING = "The page is not built. Run `make ui`, or use the interface at /api/v1.\n"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
router = APIRouter()


@guarded(router, "GET", "/{path:path}", Action.PUBLIC_READ, include_in_schema=False)
def page(path: Annotated[str, PathParameter(max_length=300)]) -> Response:
    """Send a file of the page; any path without a suffix is the page itself, which does its own routing."""
    if path.startswith("api/"):
        raise NotFound("not_found", "there is no such route")
    wanted = path if Path(path).suffix in TYPES else "index.html"
    # Only what was built is known by name, so that no path can lead out of the folder.
    files = {file.relative_to(WEB).as_posix(): file for file in WEB.rglob("*") if file.is_file()}
    file = files.get(wanted)
    if file is None:
        is_page = wanted == "index.html"
        return PlainTextResponse(MISSING if is_page else "not found\n", status_code=503 if is_page else 404)
    is_fixed = "assets/" in wanted
    caching = "public, max-age=31536000, immutable" if is_fixed else "no-cache"
    return FileResponse(file, media_type=TYPES[file.suffix], headers={"Cache-Control": caching})

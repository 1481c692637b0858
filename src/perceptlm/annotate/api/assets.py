"""Routes of media: uploading, frame tables, single pictures, and the copy of a video that browsers play."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Path, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from sqlalchemy.orm import Session

from perceptlm.annotate.api.access import CallerNow, ServerNow, guarded
from perceptlm.annotate.api.answers import content
from perceptlm.annotate.api.bodies import IdPath, ProjectPath
from perceptlm.annotate.refusals import Invalid, NotFound
from perceptlm.annotate.roles import Action
from perceptlm.annotate.services import assets, projects
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.media_pictures import picture_of, proxy_of
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.store.tables import Asset

router = APIRouter()
KNOWN = {"description": "it was there already"}
_IMMUTABLE = "private, max-age=31536000, immutable"
_FramePath = Annotated[int, Path(ge=0, le=2**31 - 1)]


@guarded(router, "POST", "/projects/{project}/assets", Action.CREATE_ASSET, status_code=201, responses={200: KNOWN})
def upload(
    project: ProjectPath,
    caller: CallerNow,
    server: ServerNow,
    file: Annotated[UploadFile, File()],
    licence: Annotated[str, Form(min_length=1, max_length=200, pattern=r"^[\w .:+()/-]+$")] = "unknown",
) -> JSONResponse:
    """Take in an image or a video; what it is, its content says."""
    taken = assets.take_in(file.file, server.directory, server.settings.max_upload_bytes)
    taken.keep(server.directory)

    def work(session: Session) -> tuple[dict[str, Any], bool]:
        found = projects.project_named(session, project)
        asset, is_new = assets.add_asset(session, caller, found, taken, licence)
        return assets.asset_answer(asset), is_new

    answer, is_new = server.database.write(work)
    return JSONResponse(answer, status_code=201 if is_new else 200)


@guarded(router, "GET", "/assets/{asset_id}", Action.READ_ASSET)
def show(asset_id: IdPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show an asset."""
    return assets.asset_answer(_asset(server, caller, asset_id))


@guarded(router, "GET", "/assets/{asset_id}/frame-table", Action.READ_ASSET)
def frame_table(asset_id: IdPath, caller: CallerNow, server: ServerNow) -> dict[str, Any]:
    """Show when each picture is shown."""
    return server.database.read(
        lambda session: assets.frame_table_answer(session, assets.asset_in(session, _project(caller), asset_id))
    )


@guarded(
    router,
    "GET",
    "/assets/{asset_id}/frames/{frame}",
    Action.READ_ASSET,
    response_class=Response,
    responses={200: content("image/webp", "image/png"), 304: {"description": "it is as it was"}},
)
def frame(
    asset_id: IdPath,
    frame: _FramePath,
    request: Request,
    caller: CallerNow,
    server: ServerNow,
    format: Annotated[Literal["png", "webp"], Query()] = "webp",
) -> Response:
    """Send one picture, without loss. It never changes, so a browser may keep it."""
    asset = _asset(server, caller, asset_id)
    if frame >= asset.num_frames:
        raise NotFound("no_such_frame", f"there are {asset.num_frames} pictures, numbered from 0")
    tag = f'"{asset.frame_table_hash[:16]}-{asset.sha256[:16]}-{frame}-{format}"'
    headers = {"ETag": tag, "Cache-Control": _IMMUTABLE}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(picture_of(server, asset, frame, format), media_type=f"image/{format}", headers=headers)


@guarded(
    router,
    "GET",
    "/assets/{asset_id}/video",
    Action.READ_ASSET,
    response_class=Response,
    responses={
        200: content("video/webm"),
        206: content("video/webm", "multipart/byteranges"),
        400: content("text/plain"),
        416: content("text/plain"),
    },
)
def video(asset_id: IdPath, caller: CallerNow, server: ServerNow) -> FileResponse:
    """Send the constant-rate copy of a video, whole or in ranges."""
    asset = _asset(server, caller, asset_id)
    if asset.kind != "video":
        raise Invalid("not_a_video", "the asset is an image")
    return FileResponse(proxy_of(server, asset), media_type="video/webm", headers={"Cache-Control": _IMMUTABLE})


def _asset(server: Server, caller: Caller, asset_id: int) -> Asset:
    return server.database.read(lambda session: assets.asset_in(session, _project(caller), asset_id))


def _project(caller: Caller) -> int:
    assert caller.project_id is not None
    return caller.project_id

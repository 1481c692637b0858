"""Puts the service together: routes below /api/v1, the page beside them, one access check on all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from perceptlm.annotate.api import (
    assets,
    audit,
    items,
    needs,
    page,
    projects,
    quality,
    refused,
    releases,
    sessions,
    work,
)
from perceptlm.annotate.api.access import authorise
from perceptlm.annotate.api.outer import OuterLayer
from perceptlm.annotate.services.server import Server

PREFIX = "/api/v1"
ROUTERS = (
    sessions.router,
    projects.router,
    assets.router,
    items.router,
    needs.router,
    work.router,
    quality.router,
    releases.router,
    audit.router,
)


def make_app(server: Server) -> FastAPI:
    """Return the application of a server; whoever runs it closes the server."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(
        title="perceptlm annotation service",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(authorise)],
        lifespan=life,
    )
    app.state.server = server
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.include_router(page.router)
    refused.install(app)
    app.add_middleware(
        OuterLayer,
        max_body_bytes=server.settings.max_body_bytes,
        max_upload_bytes=server.settings.max_upload_bytes,
        body_seconds=server.settings.body_seconds,
    )
    return app

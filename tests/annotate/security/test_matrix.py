"""Every operation of the OpenAPI document, called by everybody: the answers stand in `matrix.txt`, to be read and kept.

Each request is valid and meets a server where what it asks for is there, so a status says who was let in: 401 nobody is
signed in, 403 the role may not, 404 it is not theirs to know of; anything else was let in. A change of a permission is
a change of that file; `PLM_WRITE_MATRIX=1` writes it anew, for a person to read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

from attacked_service import COLUMNS
from fastapi.routing import APIRoute

from perceptlm.annotate.roles import PERMISSIONS, Action, Role, Scope

MATRIX = Path(__file__).with_name("matrix.txt")
REFUSED = ("401", "403", "404")
ROLE_OF = {"own": Role.OWNER, "man": Role.MANAGER, "ann": Role.ANNOTATOR, "ver": Role.VERIFIER, "exp": Role.EXPERT,
           "aud": Role.AUDITOR, "key": Role.SERVICE}  # fmt: skip


def measured(answered):
    rows = [f"{'operation':<62} {'action':<18} " + " ".join(f"{name:>4}" for name in COLUMNS)]
    for (method, path, action), answers in answered.items():
        cells = [f"{answers[who].status_code:>4}" for who in COLUMNS]
        rows.append(f"{method + ' ' + path.removeprefix('/api/v1'):<62} {action:<18} " + " ".join(cells))
    return rows


def test_everybody_is_let_in_where_the_matrix_says_and_nowhere_else(answered):
    found = measured(answered)
    if os.environ.get("PLM_WRITE_MATRIX"):
        MATRIX.write_text("\n".join(found) + "\n")
    assert found == MATRIX.read_text().splitlines()


def test_the_matrix_agrees_with_the_table_of_roles():
    """Two accounts of the same rules, kept apart: what was measured, and what `roles` says."""
    header, *rows = (line.split() for line in MATRIX.read_text().splitlines())
    columns = header[2:]
    assert tuple(columns) == COLUMNS
    for method, path, action, *cells in rows:
        scope, roles = PERMISSIONS[Action(action)]
        status = dict(zip(columns, cells, strict=True))
        if scope is Scope.PUBLIC:
            assert "401" not in cells, path
            continue
        assert status["none"] == "401", (method, path)
        if scope is Scope.PROJECT:
            assert (status["out"], status["qkey"]) == ("404", "404"), (method, path)
        for column, role in ROLE_OF.items():
            if scope is Scope.PROJECT:
                assert (status[column] == "403") <= (role not in roles or column == "key"), (method, path, column)
                assert (role not in roles) <= (status[column] in REFUSED), (method, path, column)


def test_a_route_without_an_action_is_refused_to_all(own_world):
    app = own_world.service.app
    app.router.routes.insert(0, APIRoute("/api/v1/forgotten", lambda: "secret", dependencies=app.router.dependencies))
    for who in COLUMNS:
        answer = own_world.ask(who, "GET", "forgotten")
        assert (answer.status_code, "secret" in answer.text) == (403, False), who

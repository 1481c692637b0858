"""Who may do what: one table of actions and roles, read by one check on every route.

A route names its action; `api.access` looks it up here. Owners are owners of the whole server; the other roles are
given per project, one to a person; `service` is the role of an API key, which is narrowed further by its scopes.
This module knows no routes and no tables.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person is in a project."""

    OWNER = "owner"
    MANAGER = "manager"
    ANNOTATOR = "annotator"
    VERIFIER = "verifier"
    EXPERT = "expert"
    AUDITOR = "auditor"
    SERVICE = "service"


class Scope(StrEnum):
    """Where the role is looked up."""

    PUBLIC = "public"
    """Nobody needs to be signed in."""
    SIGNED_IN = "signed_in"
    """Any person or key."""
    SERVER = "server"
    """A role anywhere: owner, or the named role in at least one project."""
    PROJECT = "project"
    """The role in the project of the thing the path names."""


class Action(StrEnum):
    """What can be asked of the service."""

    PUBLIC_READ = "public.read"
    SIGN_IN = "session.create"
    SIGN_OUT = "session.end"
    READ_ME = "me.read"
    LIST_PROJECTS = "projects.list"
    CREATE_PROJECT = "projects.create"
    READ_PROJECT = "project.read"
    READ_POLICY = "policy.read"
    WRITE_GUIDELINE = "guideline.write"
    WRITE_POLICY = "policy.write"
    READ_MEMBERS = "members.read"
    WRITE_MEMBERS = "members.write"
    READ_KEYS = "keys.read"
    REVOKE_KEY = "key.revoke"
    CREATE_USER = "users.create"
    READ_CREDENTIALS = "credentials.read"
    WRITE_CREDENTIALS = "credentials.write"
    CREATE_ASSET = "assets.create"
    READ_ASSET = "asset.read"
    CREATE_ITEMS = "items.create"
    LIST_ITEMS = "items.list"
    READ_ITEM = "item.read"
    REPORT_ITEM = "item.report"
    DISCARD_ITEM = "item.discard"
    READ_NEEDS = "needs.read"
    MEET_NEEDS = "needs.meet"
    PROPOSE_GOLD = "gold.propose"
    APPROVE_GOLD = "gold.approve"
    WRITE_CALIBRATION = "calibration.write"
    WORK = "work"
    READ_QUEUE = "queue.read"
    REFIT = "refit"
    READ_DASHBOARD = "dashboard.read"
    CREATE_RELEASE = "release.create"
    APPROVE_RELEASE = "release.approve"
    SUPERSEDE_RELEASE = "release.supersede"
    READ_RELEASE = "release.read"
    READ_AUDIT = "audit.read"
    WRITE_WEBHOOKS = "webhooks.write"
    READ_WEBHOOKS = "webhooks.read"


_O, _M, _A, _V, _E, _U, _S = Role
_EVERY_MEMBER = frozenset(Role)

PERMISSIONS: dict[Action, tuple[Scope, frozenset[Role]]] = {
    Action.PUBLIC_READ: (Scope.PUBLIC, frozenset()),
    Action.SIGN_IN: (Scope.PUBLIC, frozenset()),
    Action.SIGN_OUT: (Scope.SIGNED_IN, frozenset()),
    Action.READ_ME: (Scope.SIGNED_IN, frozenset()),
    Action.LIST_PROJECTS: (Scope.SIGNED_IN, frozenset()),
    Action.CREATE_PROJECT: (Scope.SERVER, frozenset({_O})),
    Action.CREATE_USER: (Scope.SERVER, frozenset({_O})),
    Action.READ_CREDENTIALS: (Scope.SERVER, frozenset({_O, _U})),
    Action.WRITE_CREDENTIALS: (Scope.SERVER, frozenset({_O})),
    Action.READ_AUDIT: (Scope.SERVER, frozenset({_O, _U})),
    Action.READ_PROJECT: (Scope.PROJECT, _EVERY_MEMBER),
    # The policy says how much of the work is gold: not for those whose work it is.
    Action.READ_POLICY: (Scope.PROJECT, frozenset({_O, _M, _U})),
    Action.WRITE_GUIDELINE: (Scope.PROJECT, frozenset({_O, _M})),
    Action.WRITE_POLICY: (Scope.PROJECT, frozenset({_O, _M})),
    Action.READ_MEMBERS: (Scope.PROJECT, frozenset({_O, _M, _U})),
    Action.WRITE_MEMBERS: (Scope.PROJECT, frozenset({_O, _M})),
    Action.READ_KEYS: (Scope.PROJECT, frozenset({_O, _M, _U})),
    Action.REVOKE_KEY: (Scope.PROJECT, frozenset({_O, _M})),
    Action.CREATE_ASSET: (Scope.PROJECT, frozenset({_O, _M, _S})),
    Action.READ_ASSET: (Scope.PROJECT, _EVERY_MEMBER),
    Action.CREATE_ITEMS: (Scope.PROJECT, frozenset({_O, _M, _S})),
    Action.LIST_ITEMS: (Scope.PROJECT, frozenset({_O, _M, _V, _U, _S})),
    Action.READ_ITEM: (Scope.PROJECT, frozenset({_O, _M, _V, _U})),
    Action.REPORT_ITEM: (Scope.PROJECT, _EVERY_MEMBER - {_U}),
    Action.DISCARD_ITEM: (Scope.PROJECT, frozenset({_O, _M})),
    # What items want from models, and what models say to it.
    Action.READ_NEEDS: (Scope.PROJECT, frozenset({_O, _M, _S})),
    Action.MEET_NEEDS: (Scope.PROJECT, frozenset({_O, _M, _S})),
    Action.PROPOSE_GOLD: (Scope.PROJECT, frozenset({_O, _M})),
    Action.APPROVE_GOLD: (Scope.PROJECT, frozenset({_O, _M})),
    Action.WRITE_CALIBRATION: (Scope.PROJECT, frozenset({_O, _M})),
    Action.WORK: (Scope.PROJECT, frozenset({_A, _V, _E})),
    Action.READ_QUEUE: (Scope.PROJECT, frozenset({_O, _M, _E})),
    Action.REFIT: (Scope.PROJECT, frozenset({_O, _M, _S})),
    Action.READ_DASHBOARD: (Scope.PROJECT, frozenset({_O, _M, _U})),
    Action.CREATE_RELEASE: (Scope.PROJECT, frozenset({_O, _M})),
    Action.APPROVE_RELEASE: (Scope.PROJECT, frozenset({_O, _M})),
    Action.SUPERSEDE_RELEASE: (Scope.PROJECT, frozenset({_O, _M})),
    Action.READ_RELEASE: (Scope.PROJECT, frozenset({_O, _M, _U, _S})),
    Action.WRITE_WEBHOOKS: (Scope.PROJECT, frozenset({_O, _M})),
    Action.READ_WEBHOOKS: (Scope.PROJECT, frozenset({_O, _M, _U})),
}

LABEL_STEPS = ("distractor", "choice", "blind_answer", "question_check", "ceiling")
"""Steps anybody may be leased, those that finish an item first."""
OWN_STEPS = ("compare",)
"""Steps that wait for one person."""
ROLE_STEPS: dict[Role, tuple[str, ...]] = {
    Role.ANNOTATOR: LABEL_STEPS,
    Role.VERIFIER: ("review",),
    Role.EXPERT: ("expert", *LABEL_STEPS),
}
FRESH_STEPS = frozenset({"review", "expert", "ceiling"})
"""Steps for people who never worked on the item: nobody reviews their own work."""
BLIND_STEPS = frozenset({"blind_answer", "choice"})
"""Steps for people who have not seen what others answered to the item."""
SEEING_STEPS = ("review", "expert")
"""Steps that show it."""


def is_allowed(action: Action, role: Role | None) -> bool:
    """Return whether `role` may do `action`; None is somebody without a role."""
    scope, roles = PERMISSIONS[action]
    return scope in (Scope.PUBLIC, Scope.SIGNED_IN) or (role is not None and role in roles)

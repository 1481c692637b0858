"""Tables of people and of what they may do: users, sessions, keys, projects, memberships, credentials."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perceptlm.annotate.store.columns import Base, Json, LongText, Number, RowKey, Time


class User(Base):
    """A person. Names are never given to another one."""

    __tablename__ = "users"
    id: Mapped[RowKey]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str] = mapped_column(String(300))
    is_owner: Mapped[bool]
    disabled_at: Mapped[Time | None]
    created_at: Mapped[Time]


class LoginSession(Base):
    """A signed-in browser or program; the token itself is not kept."""

    __tablename__ = "login_sessions"
    id: Mapped[RowKey]
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[Number] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[Time]
    expires_at: Mapped[Time] = mapped_column(index=True)


class LoginFailure(Base):
    """How often signing in failed for a name or an address, within one window of time."""

    __tablename__ = "login_failures"
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    window_start: Mapped[Time]
    num_failures: Mapped[Number]


class ApiKey(Base):
    """A key of a program, for one project and some actions."""

    __tablename__ = "api_keys"
    id: Mapped[RowKey]
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"))
    title: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[Json]
    created_by: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    expires_at: Mapped[Time | None]
    revoked_at: Mapped[Time | None]


class Project(Base):
    """A project: what its pack said when it was made, and which guideline and policy hold now.

    `num_since_fit`: submissions since the last fit; `num_fits`: how many there were.
    """

    __tablename__ = "projects"
    id: Mapped[RowKey]
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    pack: Mapped[str] = mapped_column(String(200))
    pack_content: Mapped[Json]
    mode: Mapped[str] = mapped_column(String(16))
    guideline_version: Mapped[Number]
    policy_version: Mapped[Number]
    num_since_fit: Mapped[Number]
    num_fits: Mapped[Number] = mapped_column(default=0)
    created_by: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]


class Guideline(Base):
    """One version of a project's guideline; never changed."""

    __tablename__ = "guidelines"
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    version: Mapped[Number] = mapped_column(primary_key=True)
    markdown: Mapped[LongText]
    sha256: Mapped[str] = mapped_column(String(64))
    created_by: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]


class PolicyVersion(Base):
    """One version of a project's policy; never changed."""

    __tablename__ = "policies"
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    version: Mapped[Number] = mapped_column(primary_key=True)
    body: Mapped[Json]
    created_by: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]


class Membership(Base):
    """The one role of a person in a project, and how the person stands there.

    `paused_reason`: why they get no work (`copies`, `failing`), empty for everybody else. `is_better`: asked for labels
    beyond the first ones. Both are the last refit's. `is_trusted`: a manager has let them work on, and no refit pauses
    them. `num_given` and `num_gold` count what they were leased, `last_step_id` is the last of it. `calibrated_at` is
    when they passed the calibration.
    """

    __tablename__ = "memberships"
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    user_id: Mapped[Number] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))
    paused_reason: Mapped[str | None] = mapped_column(String(16))
    is_trusted: Mapped[bool] = mapped_column(default=False)
    is_better: Mapped[bool] = mapped_column(default=False)
    num_given: Mapped[Number] = mapped_column(default=0)
    num_gold: Mapped[Number] = mapped_column(default=0)
    last_step_id: Mapped[Number | None]
    calibrated_at: Mapped[Time | None]
    created_at: Mapped[Time]


class Credential(Base):
    """Proof that a person is qualified in a domain; the evidence itself stays outside, its digest is kept."""

    __tablename__ = "credentials"
    __table_args__ = (UniqueConstraint("user_id", "domain", "evidence_sha256"),)
    id: Mapped[RowKey]
    user_id: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    domain: Mapped[str] = mapped_column(String(200))
    level: Mapped[str] = mapped_column(String(200))
    evidence_sha256: Mapped[str] = mapped_column(String(64))
    verified_by: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    expires_at: Mapped[Time]
    revoked_at: Mapped[Time | None]

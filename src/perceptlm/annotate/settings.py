"""How one server runs: limits, times, what it may connect to. Not what a project does: that is its policy.

Nothing here opens a file.
"""

from __future__ import annotations

from ipaddress import ip_network

from pydantic import Field, field_validator

from perceptlm.config import Config


class Settings(Config):
    """Settings of a running server; the defaults suit a team on one machine."""

    session_seconds: int = Field(default=12 * 3600, ge=60, description="how long a login holds")
    login_failures: int = Field(default=8, ge=1, description="failed logins of a name or an address before it waits")
    login_window_seconds: int = Field(default=300, ge=1, description="how long failed logins count")
    max_upload_bytes: int = Field(default=4 << 30, ge=1)
    max_body_bytes: int = Field(default=16 << 20, ge=1, description="any other request")
    body_seconds: float = Field(
        default=60, gt=0, description="how long a body may take that comes slower than 16 KiB/s"
    )
    max_draft_bytes: int = Field(default=256 << 10, ge=1)
    secure_cookie: bool = Field(default=False, description="send the cookie over HTTPS only")
    allowed_networks: tuple[str, ...] = Field(default=(), description="private networks webhooks may reach")
    allow_plain_http: bool = Field(default=False, description="webhooks without TLS")
    delivery_timeout_seconds: float = Field(default=10, gt=0)
    delivery_attempts: int = Field(default=8, ge=1)
    worker_seconds: float = Field(default=5, gt=0, description="pause of the worker between rounds")
    refit_seconds: float = Field(default=60, gt=0, description="how long labels wait at most for the quality engine")
    logins_at_once: int = Field(default=2, ge=1, description="passwords that are checked at the same time")
    logins_waiting: int = Field(default=16, ge=0, description="how many more may wait for that; others are told to")
    argon2_time_cost: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=65_536, ge=8)
    rescan_seconds: float = Field(default=30, ge=0, description="how often a person's queue is read from its beginning")

    @field_validator("allowed_networks")
    @classmethod
    def _check_networks(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ip_network(value)
        return values

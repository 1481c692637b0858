"""Passwords, session tokens, API keys and what is derived from the server's secret. Knows no tables and no routes.

Tokens are kept as SHA-256 digests only: they are long and random, so a fast hash is enough. Passwords are argon2id.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from perceptlm.annotate.settings import Settings

MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_CHARACTERS = 256
KEY_PREFIX = "plm_"


def new_token() -> str:
    """Return a token of 256 random bits."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def derived(secret: bytes, purpose: str, value: str) -> str:
    """Return the HMAC of `value` for one purpose: CSRF tokens, signing keys of webhooks, pseudonyms."""
    return hmac.new(secret, f"{purpose}:{value}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two tokens in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


@lru_cache(maxsize=4)
def _hasher(time_cost: int, memory_kib: int) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)


def hash_password(password: str, settings: Settings) -> str:
    """Return the argon2id hash of a password."""
    return _hasher(settings.argon2_time_cost, settings.argon2_memory_kib).hash(password)


def is_password(password: str, hashed: str, settings: Settings) -> bool:
    """Return whether the password fits; the time taken is the same for any password."""
    try:
        return _hasher(settings.argon2_time_cost, settings.argon2_memory_kib).verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


@lru_cache(maxsize=4)
def nobodys_hash(settings: Settings) -> str:
    """Return a hash to compare with where the name is unknown, so that names cannot be found out by timing."""
    return hash_password(new_token(), settings)

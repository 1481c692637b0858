"""Who calls: a person or a key, with the role that holds where they call. Knows no routes."""

from __future__ import annotations

from dataclasses import dataclass

from perceptlm.annotate.refusals import Forbidden
from perceptlm.annotate.roles import Role
from perceptlm.annotate.store.audit import Actor


@dataclass(frozen=True)
class Caller:
    """Whoever sent the request. `role` is the one in `project_id`, or in the server where there is no project."""

    user_id: int | None
    key_id: int | None = None
    is_owner: bool = False
    role: Role | None = None
    project_id: int | None = None

    @property
    def actor(self) -> Actor:
        """The name under which changes are logged."""
        return Actor.user(self.user_id) if self.user_id is not None else Actor(f"key:{self.key_id}")

    def person(self) -> int:
        """Return the user's id; Forbidden for a key."""
        if self.user_id is None:
            raise Forbidden("person_needed", "only a signed-in person may do this, not an API key")
        return self.user_id

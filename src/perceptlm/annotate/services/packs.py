"""What a pack says of a project, copied into it when it is made, so that later changes of a pack change nothing.

The pack `plain` is part of the service: free text and choice questions of one domain, without pictures.
"""

from __future__ import annotations

from pydantic import Field

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.refusals import Invalid
from perceptlm.config import Config

_GUIDELINE = """# Guideline

1. Watch the whole clip before you answer. Step picture by picture where it matters.
2. Say only what can be seen. If you are not sure, tick *unsure*: an expert then looks at it.
3. Mark the interval that shows the answer, from its first picture to its last.
"""


class Entry(Config):
    """A domain or a reason code: its name for programs and its title for people."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    title: str


class PackContent(Config):
    """The part of a pack that a project keeps."""

    domains: tuple[Entry, ...]
    steps: tuple[str, ...]
    reason_codes: tuple[Entry, ...]
    shortcuts: dict[str, str] = Field(default_factory=dict)
    guideline: str
    policy: Policy = Policy()
    use_text_only: bool = Field(default=False, description="whether distractors wait for a model without the video")


PLAIN = PackContent(
    domains=(Entry(id="general", title="General"),),
    steps=("question_check", "blind_answer", "compare", "distractor", "choice", "ceiling", "review", "expert"),
    reason_codes=(
        Entry(id="unclear_question", title="The question can be read in two ways"),
        Entry(id="hard_to_see", title="What is asked is hard to see"),
        Entry(id="wrong_answer", title="The answer is wrong"),
        Entry(id="wrong_interval", title="The interval does not show the answer"),
        Entry(id="guideline_gap", title="The guideline does not say"),
        Entry(id="other", title="Something else"),
    ),
    guideline=_GUIDELINE,
)


def pack_content(name: str) -> PackContent:
    """Return what the pack `name` says; Invalid if there is none."""
    if name != "plain":
        raise Invalid("no_such_pack", f"there is no pack '{name}'", field="pack", hint="known: plain")
    return PLAIN

"""What a pack says of a project, copied into it when it is made, so that later changes of a pack change nothing.

The pack `plain` is part of the service: free text and choice questions of one domain, without pictures. The others are
those that come with perceptlm (`packs.load`), of which a request names one, never a path; and packs of one's own, which
only the command line takes in (`services.pack_import`): their pictures lie in their copy in the data directory.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.packs.load import Pack, find_pack, load_pack, shipped_packs
from perceptlm.annotate.policy import Policy
from perceptlm.annotate.refusals import Invalid
from perceptlm.config import Config

_GUIDELINE = """# Guideline

1. Watch the whole clip before you answer. Step picture by picture where it matters.
2. Say only what can be seen. If you are not sure, tick *unsure*: an expert then looks at it.
3. Mark the interval that shows the answer, from its first picture to its last.
"""


class Entry(Config):
    """A domain or a reason code: its name for programs and its title for people. `parents`: the domains above it."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    title: str
    parents: tuple[str, ...] = ()


class PackContent(Config):
    """The part of a pack that a project keeps."""

    domains: tuple[Entry, ...]
    steps: tuple[str, ...]
    reason_codes: tuple[Entry, ...]
    shortcuts: dict[str, str] = Field(default_factory=dict)
    guideline: str
    policy: Policy = Policy()


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
    if name == "plain":
        return PLAIN
    if name not in shipped_packs():
        known = ", ".join(("plain", *shipped_packs()))
        raise Invalid("no_such_pack", f"there is no pack '{name}'", field="pack", hint=f"known: {known}")
    return content_of_pack(load_pack(find_pack(name)))


def pack_pictures(directory: DataDirectory, name: str) -> dict[str, Path]:
    """Return the pictures of the guideline of a project's pack, by their names."""
    folder = (find_pack(name) if name in shipped_packs() else directory.pack_copy(name)) / "pictures"
    return {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def content_of_pack(pack: Pack) -> PackContent:
    """Return the part of a pack that a project keeps."""
    file = pack.file
    walked = [found for domain in file.domains for found in domain.walk()]
    asked = {step for kind in file.question_types for step in kind.steps}
    codes = {code.id: code.title for code in (*file.reason_codes.review, *file.reason_codes.expert)}
    return PackContent(
        domains=tuple(Entry(id=domain.id, title=domain.title, parents=parents) for domain, parents in walked),
        steps=tuple(step for step in PLAIN.steps if step in asked | {"compare", "review", "expert"}),
        reason_codes=tuple(Entry(id=code, title=title) for code, title in codes.items()),
        shortcuts=dict(file.shortcuts),
        guideline=pack.guideline,
        policy=file.policy,
    )

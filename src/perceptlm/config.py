"""Typed, frozen, closed configurations: recipes, and the records made from them.

Every recipe is a `Config`; a run writes its resolved YAML, which reloads to an equal object. Unknown keys are
errors that name the key and the nearest known one. Digests of records and of files are made here. This module knows
no particular recipe.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from perceptlm.errors import ConfigError

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of every configuration and record: immutable, no unknown keys, no infinite or undefined numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return self.model_dump(mode="json")

    def content_digest(self) -> str:
        """Return the sha256 of the canonical JSON."""
        return digest_of(self.to_dict())


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value`: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """Return the sha256 (hex) of `value` as canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse(cls: type[C], values: Mapping[str, Any], *, source: str = "configuration") -> C:
    """Build `cls` from plain values; raise ConfigError naming `source` and every wrong key."""
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{source}: {describe_validation_error(error, cls)}") from error


def describe_validation_error(error: ValidationError, cls: type[BaseModel]) -> str:
    """Return one line naming each wrong field and, for an unknown key, the nearest known one."""
    parts = []
    for item in error.errors(include_url=False, include_context=False):
        field = ".".join(str(part) for part in item["loc"]) or "(whole record)"
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(item["loc"][-1]), _field_names(cls, item["loc"][:-1]), n=1)
            parts.append(f"unknown key {field!r}" + (f" (did you mean '{near[0]}'?)" if near else ""))
        else:
            parts.append(f"{field!r}: {item['msg']}")
    return "; ".join(parts)


def _field_names(cls: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Return the field names of the record at `path`; parts that name no field are list positions, keys or tags."""
    models = [cls]
    for part in path:
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        models = [found for annotation in annotations for found in _models_in(annotation)] or models
    return [name for model in models for name in model.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; ConfigError naming the file if it cannot be read or holds anything else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(values).__name__}")
    return values


def load_yaml(cls: type[C], path: Path) -> C:
    """Read a configuration from a YAML file; errors name the file, the line or the key."""
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values, found {type(values).__name__}")
    return parse(cls, values, source=str(path))


def dump_yaml(config: Config) -> str:
    """Return YAML that `load_yaml` reads back to an equal configuration."""
    import yaml

    # Escapes for all but ASCII: PyYAML does not read back every character that it writes bare (U+0085, for one).
    return str(yaml.safe_dump(config.to_dict(), sort_keys=False, allow_unicode=False))


def override(config: C, assignments: Sequence[str]) -> C:
    """Return `config` with `section.key=value` assignments applied; values are read as YAML.

    An entry of a list is a section by its number, from 0: `stages.2.num_steps=100`.
    """
    import yaml

    values = config.to_dict()
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"override '{assignment}' is not of the form key=value")
        node: Any = values
        *parents, leaf = key.strip().split(".")
        for part in parents:
            # A list's entries are sections too, by their number from 0.
            sections = dict(enumerate(node)) if isinstance(node, list) else node
            node = sections.get(int(part) if isinstance(node, list) and part.isdecimal() else part)
            if not isinstance(node, dict | list):
                raise ConfigError(f"override '{assignment}': there is no section '{part}'")
        if isinstance(node, list):
            raise ConfigError(f"override '{assignment}': '{leaf}' names no key; give one, as in section.0.key=value")
        try:
            node[leaf] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"override '{assignment}': the value is not valid YAML") from error
    return parse(type(config), values, source="overrides")

"""`plm info`: what a bug report needs: versions, hardware and the devices a model could run on."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer


def info(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show versions, hardware and devices."""
    from perceptlm.provenance import describe_code, describe_environment, describe_hardware

    packages = describe_environment()
    found: dict[str, Any] = {
        "perceptlm": describe_code(),
        "packages": packages,
        "hardware": describe_hardware(),
        "devices": _devices(packages.get("torch")),
    }
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(f"perceptlm {found['perceptlm']['version']} (commit {found['perceptlm']['commit'] or 'unknown'})")
    typer.echo("packages: " + ", ".join(f"{name} {version}" for name, version in packages.items()))
    if "torch" not in packages:
        typer.echo("torch is not installed: training and local models are not available")
    typer.echo("hardware: " + ", ".join(str(value) for value in found["hardware"].values()) + " cores")
    typer.echo("devices: " + ", ".join(found["devices"]))


def _devices(torch_version: str | None) -> list[str]:
    """Return the devices torch can use; torch is imported only if its build can have another than the CPU."""
    if torch_version is None:
        return []
    if torch_version.endswith("+cpu") and sys.platform != "darwin":
        return ["cpu"]
    import torch

    found = ["cpu"]
    found += [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found

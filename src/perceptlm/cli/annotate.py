"""`plm annotate`: people label, verify and adjudicate. Its verbs live in files of their own; no logic but wiring."""

from __future__ import annotations

import typer

from perceptlm.cli import (
    annotate_export,
    annotate_models,
    annotate_pack,
    annotate_people,
    annotate_serve,
    annotate_simulate,
)

app = typer.Typer(help="Serve the annotation tool, and manage its people and data.", no_args_is_help=True)
app.command("init")(annotate_serve.init)
app.command("project-add")(annotate_pack.project_add)
app.command("serve")(annotate_serve.serve)
app.command("backup")(annotate_serve.backup)
app.command("verify-log")(annotate_serve.verify_log)
app.command("user-add")(annotate_people.user_add)
app.command("user-password")(annotate_people.user_password)
app.command("user-disable")(annotate_people.user_disable)
app.command("member")(annotate_people.member)
app.command("member-remove")(annotate_people.member_remove)
app.command("credential-revoke")(annotate_people.credential_revoke)
app.command("key-add")(annotate_people.key_add)
app.command("keys")(annotate_people.keys)
app.command("key-revoke")(annotate_people.key_revoke)
app.command("propose")(annotate_models.propose)
app.command("text-only")(annotate_models.text_only)
app.command("export")(annotate_export.export)
app.command("packs")(annotate_pack.packs)
app.add_typer(annotate_pack.pack, name="pack")
app.command("simulate", no_args_is_help=True)(annotate_simulate.simulate)

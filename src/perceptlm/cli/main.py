"""The command `plm`: the table of its nouns, and the one place where errors become words and exit codes.

Each noun lives in `cli/NOUN.py`, loaded only when it is called: as `app`, a Typer application with verbs, or as a
function named like the noun. `plm --help` therefore loads neither Typer nor anything heavier. Nothing here knows
what a command does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perceptlm.errors import PerceptLMError, UsageError

EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Noun:
    """One command: `target` is `module:attribute`, `help` its line in `plm --help`."""

    target: str
    help: str


NOUNS: dict[str, Noun] = {
    "demo": Noun("perceptlm.cli.demo:demo", "Make data, train, evaluate and report, in one go."),
    "world": Noun("perceptlm.cli.world:app", "Make procedural videos with exact ground truth."),
    "data": Noun("perceptlm.cli.data:app", "Convert, show, check, count and audit datasets."),
    "weights": Noun("perceptlm.cli.weights:app", "Show, convert and check a model's weights."),
    "train": Noun("perceptlm.cli.train:app", "Pretrain parts, and train the stages of a model."),
    "eval": Noun("perceptlm.cli.eval:app", "Score any model, compare runs, check a benchmark."),
    "annotate": Noun("perceptlm.cli.annotate:app", "Label, verify and adjudicate with people, and serve the tool."),
    "generate": Noun("perceptlm.cli.generate:generate", "Ask a model about an image or a video file."),
    "chat": Noun("perceptlm.cli.chat:chat", "Ask one question after the other about a file."),
    "trace": Noun("perceptlm.cli.trace:trace", "Write the life of one sample, stage by stage."),
    "verify": Noun("perceptlm.cli.verify:verify", "Check every file of an artifact and of those it was made from."),
    "reproduce": Noun("perceptlm.cli.reproduce:reproduce", "Make an artifact again and compare byte for byte."),
    "info": Noun("perceptlm.cli.info:info", "Show versions, hardware and devices."),
}

EXTRAS = {
    **dict.fromkeys(("alembic", "argon2", "fastapi", "markdown_it", "sqlalchemy", "starlette", "uvicorn"), "annotate"),
    "psycopg": "postgres",
}
"""The extra that brings a package which the others do without."""


def main() -> None:
    """Run `plm` with the arguments of the process, and exit."""
    # Threads that wait for work must sleep: by default they spin, and take the cores from the thread that decodes the
    # next batch. It must be set before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run `plm` with `arguments` and return its exit code; errors are printed on stderr."""
    debug, rest = _take_debug(arguments)
    try:
        code = _dispatch(rest)
        sys.stdout.flush()
    except PerceptLMError as error:
        if debug:
            raise
        return _fail(error.message, error.hint, error.exit_code)
    except BrokenPipeError:
        # The reader of our output is gone: nobody to tell.
        _drop_output()
        return 1
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        if debug:
            raise
        return _fail_with_os_error(error)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get((error.name or "").partition(".")[0])):
            text = f"this needs the package '{error.name}', which is not installed"
            return _fail(text, f"pip install 'perceptlm[{extra}]', or in a clone: make install", UsageError.exit_code)
        text = f"internal error: {type(error).__name__}: {error}"
        return _fail(text, "run the same command with --debug and report what it prints", EXIT_INTERNAL)
    if code == EXIT_INTERRUPTED:
        return _fail("interrupted", "run the same command again: it goes on from here", EXIT_INTERRUPTED)
    return code


def _take_debug(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """Remove `--debug`, before or after the noun, but not behind `--`."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument != "--debug"]
    return len(kept) != end, [*kept, *arguments[end:]]


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(help_text())
        return 0
    name, *rest = arguments
    if name == "--version":
        from perceptlm import __version__

        print(f"perceptlm {__version__}")
        return 0
    if name not in NOUNS:
        raise UsageError(f"there is no {_kind(name)} '{name}'", hint=_nearest(name) or "see plm --help")
    return _call(name, rest)


def _kind(name: str) -> str:
    return "option" if name.startswith("-") else "command"


def _nearest(name: str) -> str | None:
    import difflib

    near = difflib.get_close_matches(name, NOUNS, n=1)
    return f"did you mean 'plm {near[0]}'?" if near else None


def help_text() -> str:
    """Return what `plm --help` prints."""
    from perceptlm import __version__

    width = max(map(len, NOUNS))
    lines = [
        f"perceptlm {__version__}: an open, reproducible Perception Language Model stack.",
        "",
        "Usage: plm COMMAND ...",
        "",
        "Commands:",
        *(f"  {name:<{width}}  {noun.help}" for name, noun in NOUNS.items()),
        "",
        "Options:",
        "  --help     Show this, or after a command its own help.",
        "  --version  Show the version.",
        "  --debug    Show the traceback of an error (before or after the command).",
    ]
    return "\n".join(lines)


def _call(name: str, arguments: list[str]) -> int:
    from typer.exceptions import Abort, TyperException

    try:
        code = load_command(name).main(args=arguments, prog_name=f"plm {name}", standalone_mode=False)
    except TyperException as error:
        raise UsageError(error.format_message(), hint=f"see plm {name} --help") from error
    except Abort:
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def load_command(name: str) -> Any:
    """Import the module of a noun and return its Typer command; an application with one verb keeps that verb."""
    import importlib

    import typer
    from typer.main import get_command, get_group

    module, _, attribute = NOUNS[name].target.partition(":")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return get_group(target)
    app = typer.Typer(add_completion=False)
    app.command(name, no_args_is_help=False)(target)
    return get_command(app)


def _drop_output() -> None:
    """Send what is still to be written on stdout nowhere: Python would complain, and exit with 120, when it cannot."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail_with_os_error(error: OSError) -> int:
    from pathlib import Path

    from perceptlm.artifact import translate_os_errors
    from perceptlm.errors import StorageError

    try:
        with translate_os_errors(Path(str(error.filename or "the output"))):
            raise error
    except StorageError as translated:
        return _fail(translated.message, translated.hint, translated.exit_code)
    except OSError:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(place + (os.strerror(error.errno) if error.errno else str(error)), None, 1)


def _fail(message: str, hint: str | None, exit_code: int) -> int:
    """Print `error:` and `hint:` lines and return `exit_code`."""
    from rich.text import Text

    from perceptlm.log import console

    lines = [("error: ", "bold red", message)]
    if hint:
        lines.append(("hint: ", "bold", hint))
    for label, style, text in lines:
        console().print(Text.assemble((label, style), _printable(text)), soft_wrap=True)
    return exit_code


def _printable(text: str) -> str:
    """Return `text` in one line; characters that could steer a terminal are shown as escapes."""
    flat = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in flat)

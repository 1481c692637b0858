"""cli.main: help is light, every noun loads, and errors become one sentence, a hint and an exit code."""

import errno
import os
import subprocess
import sys
import time

import pytest
import typer

from perceptlm import __version__
from perceptlm.cli import main as cli
from perceptlm.errors import ConfigError, DataError

PLM = [sys.executable, "-m", "perceptlm"]
HEAVY = ("torch", "numpy", "pydantic", "typer", "rich", "av")


def plm(*arguments, **options):
    return subprocess.run([*PLM, *arguments], capture_output=True, text=True, check=False, **options)


@pytest.fixture
def command(monkeypatch):
    """Let `plm info` run the given function."""

    def install(function):
        module = type(sys)("fake_command")
        module.info = function
        monkeypatch.setitem(sys.modules, "fake_command", module)
        monkeypatch.setitem(cli.NOUNS, "info", cli.Noun("fake_command:info", "x"))

    return install


def test_help_names_every_noun_and_loads_nothing_heavy():
    code = (
        "import sys; from perceptlm.cli.main import run; code = run(['--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name, noun in cli.NOUNS.items():
        assert f"{name} " in done.stdout
        assert noun.help in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_is_quick():
    def seconds():
        start = time.perf_counter()
        assert plm("--help").returncode == 0
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_ways_to_ask_for_help(arguments, capsys):
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out == cli.help_text() + "\n"


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"perceptlm {__version__}\n"


@pytest.mark.parametrize("name", list(cli.NOUNS))
def test_every_noun_loads_and_has_help(name, capsys):
    assert cli.run([name, "--help"]) == 0
    assert f"plm {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verfy"], ["no command 'verfy'", "did you mean 'plm verify'"]),
        (["xyzzy"], ["no command 'xyzzy'", "plm --help"]),
        (["--nonsense"], ["no option '--nonsense'"]),
        (["verify"], ["Missing argument", "plm verify --help"]),
        (["verify", "a", "--jsn"], ["--jsn", "plm verify --help"]),
    ],
)
def test_a_wrong_call_exits_2_with_a_hint(arguments, words, capsys):
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "\nhint: " in captured.err
    for word in words:
        assert word in captured.err


def test_an_expected_error_is_one_sentence_with_its_exit_code(command, capsys):
    def info():
        raise DataError("turns are missing", path="[bold]a.jsonl", line=3, hint="write some")

    command(info)
    assert cli.run(["info"]) == 1
    assert capsys.readouterr().err == "error: [bold]a.jsonl:3: turns are missing\nhint: write some\n"


def test_a_long_message_is_not_wrapped_and_cannot_steer_the_terminal(command, capsys):
    def info():
        raise ConfigError("word " * 100 + "\x1b[2J\x07\n\u202eend")

    command(info)
    assert cli.run(["info"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "\\x1b[2J\\x07 \\u202eend" in error


@pytest.mark.parametrize("arguments", [["--debug", "info"], ["info", "--debug"]])
def test_debug_lets_errors_through(command, arguments):
    def info():
        raise ConfigError("bad")

    command(info)
    with pytest.raises(ConfigError):
        cli.run(arguments)


def test_debug_behind_two_dashes_is_an_ordinary_word(command, capsys):
    def info(word: str):
        typer.echo(word)

    command(info)
    assert cli.run(["info", "--", "--debug"]) == 0
    assert capsys.readouterr().out == "--debug\n"


def test_an_unexpected_error_says_so_and_exits_70(command, capsys):
    def info():
        raise RuntimeError("surprise")

    command(info)
    assert cli.run(["info"]) == 70
    error = capsys.readouterr().err
    assert error.startswith("error: internal error: RuntimeError: surprise\nhint: ")
    assert "--debug" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, typer.Abort])
def test_an_interruption_says_how_to_go_on(command, interruption, capsys):
    def info():
        raise interruption

    command(info)
    assert cli.run(["info"]) == 130
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1, 5])
def test_a_command_may_choose_its_exit_code(command, code):
    def info():
        raise typer.Exit(code)

    command(info)
    assert cli.run(["info"]) == code


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "the disk is full: cannot write the file"),
        (errno.EACCES, "no access to the file: Permission denied"),
        (errno.ENOENT, "the file: No such file or directory"),
    ],
)
def test_an_operating_system_error_is_one_sentence(command, number, expected, capsys):
    def info():
        raise OSError(number, os.strerror(number), "the file")

    command(info)
    assert cli.run(["info"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {expected}")


def test_a_reader_that_goes_away_is_no_error():
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" -m perceptlm info --json | true', sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_an_error(unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PLM, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the disk is full")
    assert "Exception ignored" not in done.stderr

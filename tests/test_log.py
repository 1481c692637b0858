"""log: messages go to stderr; a progress bar draws nothing off a terminal."""

from perceptlm.log import console, progress


def test_the_console_writes_to_stderr_only(capsys):
    console().print("hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_progress_is_silent_off_a_terminal(capsys):
    with progress("loss") as bar:
        task = bar.add_task("training", total=2, loss="")
        bar.update(task, advance=1, loss="1.0")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == ""

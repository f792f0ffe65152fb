# SPDX-License-Identifier: BSD-3-Clause
"""Exit codes, messages, verbosity and progress of the command line."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import warnings

import pytest

from deepcoadd import __version__, errors
from deepcoadd.cli import main
from deepcoadd.cli._app import app, run
from deepcoadd.cli._terminal import Terminal


def fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command raise."""

    def raising(**options: object) -> None:
        raise error

    monkeypatch.setattr(app, "main", raising)


def noted(error: Exception) -> Exception:
    error.add_note("while combining")
    return error


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for part in ("simulate", "coadd", "info", "Exit code", "deepcoadd coadd visits/"):
        assert part in out


@pytest.mark.parametrize("argv", [["cooadd"], ["--nonsense"]])
def test_a_wrong_command_line_is_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert "; deepcoadd --help explains" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cooadd a.fits", "no command 'cooadd' (did you mean 'coadd'?)"),
        ("coadd", "FILES"),
        ("coadd a.fits", "--output"),
        ("coadd a.fits -o b.fits --metod mean", "--method"),
        ("coadd a.fits -o b.fits --method mena", "'mena' is not one of"),
        ("coadd a.fits -o b.fits --threads 0", "--threads"),
        ("coadd a.fits -o b.fits --max-memory much", "expected a size such as"),
        ("coadd a.fits -o b.fits", "a.fits: no such file"),
        ("coadd a.fits -o b.fits -c sigmaclip=3", "did you mean 'sigma_clip'?"),
        ("coadd a.fits -o b.fits -c n_visits_max=3", "'select.seeing.n_visits_max'"),
        ("coadd a.fits -o b.fits -c quality=best", "--dump-config shows all of them"),
        ("coadd a.fits -o b.fits -c sigma_clip=big", "sigma_clip = 'big': expected a number"),
        ("coadd a.fits -o b.fits -c sigma_clip", "expected key=value"),
        ("coadd a.fits -o b.fits --config c.toml", "c.toml: cannot be read"),
        ("coadd a.fits -o b.fits --maps dept", "'dept' is not one of weight"),
        ("match-backgrounds a.fits -o m --mode klassic", "'klassic' is not one of"),
        ("match-backgrounds a.fits -o m --mode tract -c binnning=fast", "'binning'"),
        ("sky-frame bild a.fits", "No such command 'bild'"),
        ("sky-frame build a.fits", "--output"),
        ("sky-frame apply a.fits -o c", "--sky"),
        ("simulate", "--output"),
        ("simulate -o v --preset demmo", "'demmo' is not one of"),
        ("info", "FILES"),
        ("info a.fits", "a.fits: no such file"),
    ],
)
def test_mistakes_are_answered_by_one_line(
    line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (answer,) = "".join(shown.err).splitlines()
    assert answer.startswith("deepcoadd: ")
    assert words in answer
    assert len(answer) < 700


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (errors.OptionError("sigma_clip = -1"), 2, "sigma_clip = -1"),
        (errors.OutputExistsError("a.fits exists"), 2, "a.fits exists; --overwrite replaces it"),
        (errors.MaskPlaneError("unknown plane 'X'"), 2, "unknown plane 'X'"),
        (errors.ShapeError("boxes differ"), 2, "boxes differ"),
        (errors.MissingFileError("no a.fits"), 2, "no a.fits"),
        (noted(errors.NoDataError("no PSF")), 1, "no PSF; while combining"),
        (errors.NoWorkError("no input is left"), 1, "no input is left"),
        (errors.FileFormatError("a.fits: truncated"), 1, "a.fits: truncated"),
        (OSError(28, "No space left on device", "a.fits"), 1, "a.fits: No space left on device"),
        (OSError("odd"), 1, "odd"),
        (MemoryError(), 1, "--max-memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_are_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    message: str,
) -> None:
    fails_with(monkeypatch, error)
    assert run([]) == code
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_ctrl_c_while_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deepcoadd.cli._app.run", interrupted)
    assert main([]) == 130


def test_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        run([])


def test_sigterm_unwinds_and_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    unwound = []

    def terminated(**options: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            unwound.append(True)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(app, "main", terminated)
    with pytest.raises(SystemExit) as caught:
        run([], own_process=True)
    assert caught.value.code == 143
    assert unwound
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (-1, ["error: e"]),
        (0, ["error: e", "warning: w"]),
        (1, ["error: e", "warning: w", "i"]),
        (2, ["error: e", "warning: w", "i", "d"]),
    ],
)
def test_verbosity(level: int, shown: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("deepcoadd.somewhere")
    terminal = Terminal()
    before = logging.getLogger("deepcoadd").handlers[:]
    with terminal.active():
        terminal.set_verbosity(level)
        log.error("e")
        log.warning("w")
        log.info("i")
        log.debug("d")
    log.warning("after")
    assert capsys.readouterr().err.splitlines() == shown
    assert logging.getLogger("deepcoadd").handlers == before


def test_markup_in_messages_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.complain("file [red]a[1:2,3:4].fits")
    assert capsys.readouterr().err == "deepcoadd: file [red]a[1:2,3:4].fits\n"


def test_messages_of_several_lines_become_one(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    with terminal.active():
        logging.getLogger("deepcoadd.io").warning("cannot be read: %s", "ERROR 4:\n  no code.\n\n")
        terminal.complain("first\nsecond")
    shown = capsys.readouterr().err
    assert shown == "warning: cannot be read: ERROR 4: no code.\ndeepcoadd: first second\n"


@pytest.mark.filterwarnings("default")
def test_python_warnings_are_shown_to_those_who_ask(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    with terminal.active():
        warnings.warn("quiet", UserWarning, stacklevel=1)
        terminal.set_verbosity(1)
        warnings.warn("loud", UserWarning, stacklevel=1)
    err = capsys.readouterr().err
    assert "loud" in err
    assert "quiet" not in err


def test_progress_is_log_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = Terminal()
    with terminal.active():
        terminal.set_verbosity(1)
        with terminal.progress() as progress:
            for done in range(101):
                progress(done, 100, "stacking")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("stacking: 0 of 100")
    assert lines[-1].startswith("stacking: 100 of 100")
    assert "\x1b" not in "".join(lines)


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with terminal.active(), terminal.progress() as progress:
        progress(3, 8, "stacking")
        logging.getLogger("deepcoadd").warning("one input is skipped")
    shown = screen.getvalue()
    assert "stacking" in shown
    assert "3/8" in shown
    assert "warning: one input is skipped" in shown


def test_quiet_has_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    with terminal.active():
        terminal.set_verbosity(-1)
        with terminal.progress() as progress:
            progress(1, 2, "stacking")
    assert capsys.readouterr().err == ""

"""Runs other programs, which end when this process does."""

import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from fusioncim.build.signals import held_back

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def run_program(
    command: Sequence[str],
    *,
    text: str | None = None,
    log: IO[str] | None = None,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    limit_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run`: the exit status of a program, and what it printed.

    text: its standard input; without it, nothing. log: file for both of its outputs; without it, they are returned.
    limit_s: seconds after which it is ended, with subprocess.TimeoutExpired.

    What the program puts into $TMPDIR is removed. It has a process group of its own. An exception, also one from a
    signal, ends the whole group. Where this process is killed, Linux kills the program; what the program itself has
    started then ends by itself.
    """
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        with held_back():
            process = stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=directory,
                    env={**(os.environ if environment is None else environment), "TMPDIR": scratch},
                    stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
                    stdout=log or subprocess.PIPE,
                    stderr=subprocess.STDOUT if log else subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    process_group=0,
                    preexec_fn=_ends_with(os.getpid()),
                )
            )
            stack.enter_context(_ended_by_errors(process.pid))
        shown, errors = process.communicate(text, timeout=limit_s)
    return subprocess.CompletedProcess(command, process.returncode, shown, errors)


@contextlib.contextmanager
def _ended_by_errors(group: int) -> Iterator[None]:
    """An exception inside of the block ends a process group."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        raise


def _ends_with(parent: int) -> Callable[[], None]:
    """What a new process does first: ask Linux to be killed when its parent ends."""

    def begin() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return begin

"""Signals that ask a process to end: it takes back what it began, as after an error, and ends.

Programs and workers are ended, scratch folders are removed. A second signal ends the first process at once; a worker
takes no second one, as its parent may ask twice.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

ASKING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

SECONDS_UNTIL_AGAIN = 0.01

_held: list[list[int]] = []
"""By block of `held_back`, the signals that came in it."""


class Ended(SystemExit):
    """A signal asked for the end; the exit status is 128 and the number of the signal, as in a shell."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


def end_when_asked(*, again: signal.Handlers = signal.SIG_DFL) -> None:
    """Let the signals raise `Ended`, but for those that this process was started to ignore; again: of a second one."""

    def end(number: int, _: FrameType | None) -> None:
        if _held:
            _held[-1].append(number)
            return
        for each in ASKING:
            signal.signal(each, again)
        raise Ended(number)

    for number in ASKING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def raise_again(lost: "sys.UnraisableHookArgs") -> None:
    """As `sys.unraisablehook`: `Ended` that came where Python drops exceptions, as in `__del__`, comes once more."""
    if isinstance(lost.exc_value, Ended):
        end_when_asked()
        number = signal.Signals[lost.exc_value.name]
        threading.Timer(SECONDS_UNTIL_AGAIN, os.kill, (os.getpid(), number)).start()
    else:
        sys.__unraisablehook__(lost)


@contextlib.contextmanager
def ended_when_asked(*, again: signal.Handlers = signal.SIG_DFL) -> Iterator[None]:
    """The same inside of a block; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ASKING}
    hook, sys.unraisablehook = sys.unraisablehook, raise_again
    end_when_asked(again=again)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """`Ended` waits for the end of a short block that must not stop halfway, such as the start of a program."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    _held.append(came)
    try:
        yield
    finally:
        _held.remove(came)
        for number in came[:1]:
            signal.raise_signal(number)


@contextlib.contextmanager
def without_interrupt() -> Iterator[None]:
    """Processes that are started inside of the block do not see Ctrl-C, which a terminal sends to all of them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

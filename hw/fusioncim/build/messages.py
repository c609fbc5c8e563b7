"""What a command says on the standard error while it works: how far it is and, if asked, every step.

Messages are records of the standard logging module. Progress has the level INFO. A step has the level DEBUG: a build
that was kept or is made, a program that is started. Without `show` only warnings are said.
"""

import functools
import logging
import os
import shlex
import sys

PACKAGES = ("fusioncim_golden", "fusioncim", "fusioncim_sim")

LOG = logging.getLogger(__name__)


class StandardError(logging.Handler):
    """Prints to what `sys.stderr` is at that moment, which may be a progress bar's."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


HANDLER = StandardError()


def show(level: int) -> None:
    """Show the messages of all packages from this level on; with DEBUG also every program that is started."""
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.setLevel(level)
        logger.addHandler(HANDLER)
    if level <= logging.DEBUG:
        _watch_programs()


@functools.cache
def _watch_programs() -> None:
    """Say every program that Python starts, in other packages, too. Python has no way to end such a hook."""
    sys.addaudithook(_say_program)


def _say_program(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen" and LOG.isEnabledFor(logging.DEBUG):
        command = arguments[1]
        words = [str(command)] if isinstance(command, str | bytes | os.PathLike) else list(map(str, _items(command)))
        LOG.debug("program: %s", shlex.join(words))


def _items(command: object) -> list[object]:
    return list(command) if isinstance(command, list | tuple) else [command]

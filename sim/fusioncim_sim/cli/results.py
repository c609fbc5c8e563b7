"""Where a command's results go: tables to the standard output, and JSON to a file if it is asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusioncim_sim.cli.options import page
from fusioncim_sim.files import check_json, is_standard_output, write_json


class Results:
    """Tables for a reader, JSON for a program.

    Members:
        console: prints tables on the standard output; prints nothing where the JSON goes there.

    path: the file of the JSON; None: no file; `-`: the standard output. keys: the keys by which an earlier file of the
    same command is known. Any other file of that name is refused at once.
    """

    def __init__(self, path: Path | None, *keys: str) -> None:
        if path:
            check_json(path, keys)
        self._path, self._keys = path, keys
        self.console = page(quiet=path is not None and is_standard_output(path))

    def say(self, line: str) -> None:
        """Print a line about what was written, as it is."""
        self.console.print(line, soft_wrap=True)

    def write(self, data: Mapping[str, Any]) -> None:
        """Write the JSON if it was asked for."""
        if self._path:
            write_json(self._path, data, self._keys)

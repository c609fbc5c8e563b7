"""Does what a page asks its reader to do: saves the files, runs the programs and the commands, sees the output."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SAVED = re.compile(r"Save (?:this|it)\b[^`]*`([\w.]+)`[^`]*\Z")
"""What stands before a block that becomes a file."""
FILES = ("toml", "json", "c")
"""Languages whose blocks are files."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the file as which it is saved, if it is."""

    language: str
    text: str
    file: str | None


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    text, found, end = page.read_text(encoding="utf-8"), [], 0
    for block in BLOCK.finditer(text):
        saved = SAVED.search(text[end : block.start()])
        found.append(Block(block[1], block[2], saved[1] if saved else None))
        end = block.end()
    return found


def flat(text: str) -> str:
    """Text whose spaces and line breaks do not matter."""
    return " ".join(text.split())


def follow(page: Path, folder: Path, *, slow: bool = False, changed: Mapping[str, str] | None = None) -> None:
    """Do what the page says in an empty folder; a command that fails, or a line that was not printed, is an error.

    slow: commands that take minutes, too: blocks of bash. changed: what stands in a command, and what is run instead.
    """
    printed = ""
    changed = changed or {}
    for old in changed:
        assert any(old in block.text for block in blocks(page)), f"{page.name} must have {old}"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in blocks(page):
        if block.language in FILES:
            assert block.file, f"{page.name} must say as what to save: {block.text[:60]}"
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            name = block.file or "block.py"
            (folder / name).write_text(block.text, encoding="utf-8")
            printed += run([sys.executable, name], folder, path)
        elif block.language == "sh" or (slow and block.language == "bash"):
            text = block.text
            for old, new in changed.items():
                text = text.replace(old, new)
            printed += run(["bash", "-euo", "pipefail", "-c", text], folder, path)
        elif block.language == "text":
            for line in block.text.splitlines():
                assert flat(line) in flat(printed), f"{page.name} shows what was not printed: {line}\n{printed}"


def run(command: list[str], folder: Path, path: str) -> str:
    """What a command prints, errors included."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[-1]}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout

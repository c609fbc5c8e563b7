"""The source files that a module is made from: its own, those it imports, and the data files that it names.

Keys of what is kept are made from them. Imports are read from the text and followed from module to module, those
inside functions too. Nothing is imported to find them. Only modules of the given packages count; the rest of what is
installed counts by its version.
"""

import ast
import functools
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

DESIGN = ("fusioncim_golden", "fusioncim")
"""The packages that Verilog is made from."""


@dataclass(frozen=True)
class Source:
    """A source file.

    Members:
        text_hash: hash of its text.
        imports: names of the modules that it imports, and of what it imports from them.
        strings: its string constants.
    """

    text_hash: str
    imports: frozenset[str]
    strings: frozenset[str]


def read(path: Path) -> bytes:
    """Content of a source file."""
    return path.read_bytes()


@functools.cache
def source(path: Path) -> Source:
    """A source file; a data file has neither imports nor strings."""
    content = read(path)
    digest = _digest(content)
    if path.suffix != ".py":
        return Source(digest, frozenset(), frozenset())
    tree = ast.parse(content)
    imports = frozenset(_imports(tree))
    strings = frozenset(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return Source(digest, imports, strings)


@functools.cache
def code_hash_of(path: Path) -> str:
    """Hash of a source file without its comments and docstrings."""
    content = read(path)
    return _digest(_without_docstrings(ast.parse(content)).encode() if path.suffix == ".py" else content)


def sources(roots: Iterable[Path], packages: Sequence[str] = DESIGN) -> list[Path]:
    """The source files of Python files, sorted; a file outside the packages may import those beside it."""
    found: set[Path] = set()
    todo = [root.resolve() for root in roots]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += used_by(path, tuple(packages))
    return sorted(found)


@functools.cache
def used_by(path: Path, packages: tuple[str, ...]) -> frozenset[Path]:
    """The files that one file imports and names."""
    if path.suffix != ".py":
        return frozenset()
    folders = {name: folder for name in packages if (folder := _folder(name))}
    imported = (file for name in source(path).imports for file in _files(name, folders, path.parent))
    return frozenset([*imported, *_data(path)])


def text_hash(roots: Iterable[Path], packages: Sequence[str] = DESIGN) -> str:
    """Hash of the texts of all source files."""
    return _digest("\n".join(source(path).text_hash for path in sources(roots, packages)).encode())


def code_hash(roots: Iterable[Path], packages: Sequence[str] = DESIGN) -> str:
    """Hash of the source files without comments and docstrings."""
    return _digest("\n".join(code_hash_of(path) for path in sources(roots, packages)).encode())


def file_of(module: str) -> Path:
    """The source file of a module."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


@functools.cache
def installed() -> str:
    """Hash of Python's version and of the names and versions of all installed packages."""
    names = {path.name for place in sys.path if place for path in Path(place).glob("*.dist-info")}
    return _digest("\n".join([sys.version, *sorted(names)]).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@functools.cache
def _folder(package: str) -> Path | None:
    """The folder of a package, unless it is not installed."""
    spec = find_spec(package)
    return Path(spec.origin).resolve().parent if spec and spec.origin else None


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def _is_file(path: Path) -> bool:
    return path.is_file()


def _files(name: str, folders: dict[str, Path], beside: Path) -> Iterator[Path]:
    """The files that an import of this name runs: of the packages around a module, and its own."""
    top, *below = name.split(".")
    if top in folders:
        place = folders[top]
    elif any(beside.is_relative_to(folder) for folder in folders.values()):
        return
    else:
        place = beside / top
    for part in (None, *below):
        place = place / part if part else place
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if _is_file(path):
                yield path


def _data(path: Path) -> Iterator[Path]:
    """What is no Python beside a module and has its name or one of its strings as name; of folders, all files."""
    named = source(path).strings
    for place in path.parent.iterdir():
        if place.suffix != ".py" and (place.stem == path.stem or place.name in named):
            inside = [place] if place.is_file() else place.rglob("*")
            yield from (file for file in inside if file.is_file() and file.suffix not in (".py", ".pyc"))


def _without_docstrings(tree: ast.Module) -> str:
    """A text that changes with the code alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_text(line)]
    return ast.dump(tree)


def _is_text(line: ast.stmt) -> bool:
    """A docstring, or one below an assignment."""
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)

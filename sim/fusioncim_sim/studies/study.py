"""What a study is: how a file of measurements/ is measured, what it holds, and which tables show it.

Every module of this folder that `registry.SUBJECTS` names has such a record, called STUDY. It loads without any extra,
so that tables are made on every installation; what only measuring needs is imported when it measures.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_json
from fusioncim_sim.files import check_json, check_place, make_directory, write_json

Stored = Mapping[str, Any]
"""What a file of measurements/ holds."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a study.

    Members:
        output: directory of the JSON files
        jobs: processes at a time
        parts: only these parts of the study; none names all
        model: language model that reads
        source: folder of the clones of another design
    """

    output: Path
    jobs: int
    parts: Sequence[str] = ()
    model: str = "smollm2"
    source: Path | None = None


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Members:
        page: its path in the repository
        mark: its name there, between `<!-- mark: begin -->` and `<!-- mark: end -->`
        make: makes the table in Markdown, with an argument for each of `sources`
        sources: the files that it shows, as `read` takes them
    """

    page: str
    mark: str
    make: Callable[..., str]
    sources: Sequence[str]

    def text(self, directory: Path) -> str:
        """The table from the files of a directory. Errors: they do not hold what the table shows."""
        found = [read(directory, name) for name in self.sources]
        try:
            return self.make(*found)
        except InputError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            names = ", ".join(str(directory / f"{name}.json") for name in self.sources)
            raise InputError(
                f"the measurement does not hold its table ({type(error).__name__} {error}): {names}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class Study:
    """A file of measurements/.

    Members:
        files: what each file holds at least, by its name; * stands for anything
        measure: gives the name and the content of every file, as soon as there is one
        tables: those that show the files
        show: text that is printed when a file was written, made from its content
        also: writes what else follows from the files of a directory
    """

    files: Mapping[str, Sequence[str]]
    measure: Callable[[Request], Iterable[tuple[str, Stored]]]
    tables: Sequence[Table] = ()
    show: Callable[[Stored], str] | None = None
    also: Callable[[Path], None] | None = None

    def keys(self, name: str) -> Sequence[str]:
        """What the file of that name holds at least."""
        return next(keys for pattern, keys in self.files.items() if fnmatch(name, pattern))


def run(study: Study, request: Request) -> None:
    """Measure and write. Files that this study has not written are refused before it begins."""
    output = request.output
    check_place(output)
    if output.exists():
        for pattern, keys in study.files.items():
            for path in [*output.glob(pattern)] or [output / pattern]:
                check_json(path, keys)
    name = ""
    for name, data in study.measure(request):
        make_directory(output)
        write_json(output / name, data, study.keys(name))
        print(f"wrote {output / name}")
        if study.show:
            print(f"\n{study.show(data)}\n")
    if name and study.also:
        study.also(output)


def read(directory: Path, name: str) -> dict[str, Any]:
    """The content of a file by its name without .json; with a * the content of all such files by their names."""
    if "*" in name:
        return {path.stem: read(directory, path.stem) for path in sorted(directory.glob(f"{name}.json"))}
    return read_json("the measurement", directory / f"{name}.json")

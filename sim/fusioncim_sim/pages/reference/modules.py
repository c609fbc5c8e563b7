"""The golden model, module by module, for Sphinx' autodoc."""

import pkgutil
import re
from collections.abc import Iterable

import fusioncim_golden

OF_PYTORCH = "pytorch"
"""The package that needs PyTorch."""
DIRECTIVE = """\
```{{eval-rst}}
.. automodule:: fusioncim_golden.{name}
   :members:
   :undoc-members:
   :show-inheritance:
```
"""


def modules() -> str:
    """A section per module of NumPy."""
    names = [each.name for each in pkgutil.iter_modules(fusioncim_golden.__path__)]
    return _sections(name for name in names if name not in ("py", OF_PYTORCH))


def modules_of_pytorch() -> str:
    """A section per module for PyTorch, which need not be installed: nothing of it is imported."""
    (folder,) = fusioncim_golden.__path__
    return _sections(f"{OF_PYTORCH}.{each.name}" for each in pkgutil.iter_modules([f"{folder}/{OF_PYTORCH}"]))


def _sections(names: Iterable[str]) -> str:
    return "\n".join(f"## `{name}`\n\n{DIRECTIVE.format(name=name)}" for name in names)


def as_rst(lines: list[str]) -> list[str]:
    """A docstring of this project, which is plain text, as reStructuredText that shows the same.

    What stands between backticks becomes a literal. A paragraph that is laid out, as formulas and lists are, becomes a
    literal block. Sections that the convention names, such as `Members:`, stay for Napoleon.
    """
    made: list[str] = []
    for paragraph in _paragraphs(lines):
        if SECTION.match(paragraph[0]):
            made += [paragraph[0], *(_escaped(line) for line in paragraph[1:]), ""]
        elif any(line.startswith(" ") for line in paragraph):
            made += ["::", "", *(f"    {line}" for line in paragraph), ""]
        else:
            made += [*(_escaped(line) for line in paragraph), ""]
    return made


SECTION = re.compile(r"(Members|Args|Returns|Raises|Yields|Attributes):$")


def _paragraphs(lines: list[str]) -> list[list[str]]:
    """Runs of lines that are not empty."""
    runs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            runs[-1].append(line)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _escaped(line: str) -> str:
    parts = re.split(r"(`+[^`]*`+)", line)
    return "".join(
        f"``{part.strip('`')}``" if part.startswith("`") else re.sub(r"([*|\\]|_\b)", r"\\\1", part) for part in parts
    )

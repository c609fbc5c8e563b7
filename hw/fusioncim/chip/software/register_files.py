"""The register map as files for software: SystemRDL, a C header, a Markdown table and a Python package.

The Python package accesses a chip by `peakrdl_python`, which it imports.
"""

import importlib
import tempfile
from pathlib import Path

from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_python.systemrdl_node_hashes import NodeHashingMethod

from fusioncim.chip.registers import SOURCE, model


def files() -> dict[str, str]:
    """Text by file name."""
    top = model()
    name = top.inst_name
    # These two exporters have no type hints.
    markdown = importlib.import_module("peakrdl_markdown").MarkdownExporter()
    python = importlib.import_module("peakrdl_python.exporter").PythonExporter()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        place.joinpath(SOURCE.name).write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
        CHeaderExporter().export(top, str(place / f"{name}.h"), reuse_typedefs=False)
        markdown.export(top, str(place / f"{name}.md"))
        python.export(
            top,
            str(place),
            skip_library_copy=True,
            skip_test_case_generation=True,
            hashing_method=NodeHashingMethod.SHA256,
        )
        paths = sorted(path for path in place.rglob("*") if path.is_file())
        return {path.relative_to(place).as_posix(): path.read_text(encoding="utf-8") for path in paths}

"""The accelerator ITA of the PULP platform through the same flow, from a checkout of its own.

G. Islamoglu et al., "ITA: An Energy-Efficient Attention and Softmax Accelerator for Quantized Transformers", ISLPED
2023, arXiv:2307.03493; hardware under the Solderpad Hardware License 0.51. Nothing of it is in this repository: its
SystemVerilog is read with slang, which Yosys has built in. `ita.sv` has ports around it, and what it leaves to the
technology.

It has 16 dot products of 64 signed 8-bit elements per cycle, a buffer of latches for two sets of 16 x 64 weights, and
a softmax on integers (ITAMax).
"""

import importlib.metadata
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.synthesis.bank_logic import CELL_MAP, black_box, latch_of, with_cells
from fusioncim.asic.synthesis.synth import require_pyosys, synthesize_texts
from fusioncim.asic.yosys import run_yosys
from fusioncim.build.cache import build_root, filled_once, kept_text, short_hash
from fusioncim.build.program import run_program
from fusioncim_golden.errors import InputError

TOP = "fusioncim_ita"
WRAPPER = Path(__file__).with_name("ita.sv")
CLONES: Mapping[str, str] = {
    "ITA": "https://github.com/pulp-platform/ITA",
    "common_cells": "https://github.com/pulp-platform/common_cells",
}
"""Folders of a source, and what is cloned into each."""
FILES: Mapping[str, Sequence[str]] = {
    "common_cells": ("cf_math_pkg", "fifo_v3", "lzc"),
    "ITA": (
        *("ita_package", "ita_accumulator", "ita_activation", "ita_controller", "ita_dotp", "ita_fifo_controller"),
        *("ita_gelu", "ita_inp1_mux", "ita_inp2_mux", "ita_input_sampler", "ita_max_finder", "ita_output_controller"),
        *("ita_register_file_1w_multi_port_read", "ita_register_file_1w_multi_port_read_we", "ita_relu"),
        *("ita_requantization_controller", "ita_requantizer", "ita_serdiv", "ita_softmax", "ita_softmax_top"),
        *("ita_sumdotp", "ita_weight_controller", "ita"),
    ),
}
"""Files of `src` that are read, by folder, each after what it needs."""
ARRAY, ROWS = "i_ita.i_sumdotp", 16
"""Instance of the dot products in the top, and their number."""
KEPT = (
    *("ita_dotp$*", "ita_sumdotp$*", "ita_softmax_top$*", f"ita_requantizer${TOP}.i_ita.i_requantizer"),
    *("ita_activation$*", "ita_accumulator$*", "ita_controller$*", "ita_register_file_1w_multi_port_read_we$*"),
)
"""Modules that stay modules; all others become part of what holds them."""


def row_names() -> list[str]:
    """Instances of the dot products below `ARRAY`."""
    return [f"calculate_dotp[{n}].i_dotp" for n in range(ROWS)]


def check_source(source: Path) -> None:
    """Refuse a folder without the clones."""
    for folder, names in FILES.items():
        for name in names:
            path = source / folder / "src" / f"{name}.sv"
            if not path.is_file():
                clones = " and ".join(f"{each} ({url})" for each, url in CLONES.items())
                raise InputError(f"--source must be a folder with the clones {clones}; it lacks {path}")


def commits(source: Path) -> dict[str, str]:
    """Commit of each clone."""
    found = {}
    for folder in CLONES:
        done = run_program(["git", "-C", str(source / folder), "rev-parse", "HEAD"], limit_s=60)
        if done.returncode:
            raise InputError(f"--source must hold git clones, not so {source / folder}: {done.stderr.strip()}")
        found[folder] = done.stdout.strip()
    return found


def map_ita(source: Path, library: Library, *, jobs: int = 1) -> Design:
    """Map it; source: the folder of `CLONES`."""
    require_pyosys()
    texts, cells = ita_texts(source, library)
    return synthesize_texts(TOP, texts, library, cells=cells, jobs=jobs)


def ita_texts(source: Path, library: Library) -> tuple[dict[str, str], list[str]]:
    """RTLIL of every distinct module, and black boxes of the cells in them: latches and clock gates are mapped here."""
    check_source(source)
    if not library.clock_gate:
        raise InputError(f"the Liberty file must have a clock gate for ITA, not so {library.path}")
    gate, roles = library.clock_gate
    latch, pins = latch_of(library)
    wrapper = WRAPPER.read_text(encoding="utf-8").replace("CLOCK_GATE ", f"{gate} ")
    wrapper = re.sub(r"PIN_(\w+)", lambda pin: roles[pin[1].lower()], wrapper)
    cell = library.cells[gate]
    ports = ", ".join(f"{pin.direction} {name}" for name, pin in cell.pins.items())
    files = {
        **{f"{folder}_{name}.sv": (source / folder / "src" / f"{name}.sv").read_text(encoding="utf-8")
           for folder, names in FILES.items() for name in names},
        "top.sv": wrapper,
        "gate.sv": f"(* blackbox *) module {gate}({ports}); endmodule\n" + SRAM_BOX,
        "map.v": with_cells(CELL_MAP, {"LATCH": (latch, pins)}),
        "latch.il": black_box(latch),
    }  # fmt: skip
    sources = " ".join(name for name in files if name.endswith(".sv"))
    commands = [
        f"read_slang --top {TOP} --keep-hierarchy --translate-off-format pragma,translate_off,translate_on {sources}",
        *(f"setattr -mod -set keep_hierarchy 1 {pattern}" for pattern in KEPT),
        *("read_rtlil latch.il", "flatten", "techmap -map map.v t:$dlatch", "opt_clean -purge"),
        *(f"hierarchy -top {TOP} -purge_lib", "write_rtlil design.il"),
    ]
    place = build_root() / "ita" / short_hash(importlib.metadata.version("pyosys"), *files, *files.values(), *commands)
    with filled_once(place) as scratch:
        if scratch:
            for name, content in files.items():
                (scratch / name).write_text(content, encoding="utf-8")
            run_yosys(TOP, commands, scratch / "log")
    return distinct(kept_text(place / "design.il")), [black_box(cell), black_box(latch)]


SRAM_BOX = """\
(* blackbox *) module fusioncim_sram #(
  parameter DEPTH = 2, parameter WIDTH = 8, parameter READS = 1, parameter ADDRESS = 1
) (
  input clk, input write_enable, input [ADDRESS-1:0] write_address, input [WIDTH-1:0] write_data,
  input [READS-1:0] read_enable, input [READS*ADDRESS-1:0] read_address, output [READS*WIDTH-1:0] read_data
);
endmodule
"""
"""Ports of a bank; its model is not in the language that slang takes."""


def distinct(design: str) -> dict[str, str]:
    """The modules of an RTLIL text by their names without the path of the instance, equal ones once; no black boxes."""
    found: dict[str, str] = {}
    for match in re.finditer(
        r"^((?:attribute [^\n]*\n)*)module \\(\S+)\n(.*?)^end\n", design, re.MULTILINE | re.DOTALL
    ):
        if "blackbox" in match[1]:
            continue
        name = match[2].partition("$")[0]
        body = re.sub(r"^\s*attribute .*\n", "", match[3], flags=re.MULTILINE)
        body = re.sub(r"^(\s*cell \\)(\w+)\$\S+ ", r"\1\2 ", body, flags=re.MULTILINE)
        text = f"module \\{name}\n{_numbered(body)}end\n"
        if found.setdefault(name, text) != text:
            raise RuntimeError(f"two modules of one name are not equal: {name}")
    return found


def _numbered(body: str) -> str:
    """RTLIL whose wires without a name are numbered from 1."""
    numbers: dict[str, str] = {}
    return re.sub(r"\$\d+", lambda wire: numbers.setdefault(wire[0], f"${len(numbers) + 1}"), body)

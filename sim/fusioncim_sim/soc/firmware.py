"""Firmware: the driver of a chip, what the system needs, a program in C, and the head that it computes, linked.

The operands lie in the shared memory as the linker puts them there; the program has their addresses from it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from fusioncim.build.c_compiler import CLANG, RISCV, environment, require
from fusioncim.build.program import run_program
from fusioncim.chip.software.driver_files import files as driver_files
from fusioncim.chip.software.record_files import files as record_files
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_text
from fusioncim_golden.quantize import LOG2_E, Heads
from fusioncim_sim.rtl.job_places import LINE_BYTES
from fusioncim_sim.rtl.tensor_bytes import pack_integers
from fusioncim_sim.soc import memory_map
from fusioncim_sim.soc.elf import Linked, read_elf

SOURCES = Path(__file__).with_name("firmware")
MAIN = SOURCES / "main.c"
FLAGS = ("-std=c99", "-Os", "-g", "-Wall", "-Wextra")


def link(
    chip: ChipConfig,
    name: str,
    head: Heads,
    folder: Path,
    *,
    main: Path = MAIN,
    defines: Mapping[str, int] | None = None,
) -> Linked:
    """Compile and link the firmware of a chip that computes a head, in a folder.

    main: its program. defines: macros that replace those of the system.
    """
    texts = driver_files(chip) | record_files()
    texts |= {path.name: path.read_text(encoding="utf-8") for path in SOURCES.iterdir()}
    texts |= head_files(name, head)
    texts |= {"system_map.h": memory_map.header(), "memory.ld": memory_map.linker_script()}
    texts["main.c"] = read_text("the firmware", main)
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    for part, vectors in (("q", head.q[0]), ("k", head.k), ("v", head.v)):
        (folder / f"head_{part}.bin").write_bytes(pack_integers(vectors, chip.engine.operand_bits).tobytes())
    sources = sorted(file for file in texts if file.endswith((".c", ".S")))
    command = [
        *(*CLANG, *RISCV, *FLAGS, *(["-Werror"] if main == MAIN else [])),
        *(f"-D{macro}={value}" for macro, value in (defines or {}).items()),
        *("-Wl,-T,link.ld", "-Wl,-e,_start", "-o", "firmware.elf", *sources),
    ]
    require("RISC-V", "soc")
    done = run_program(command, directory=folder, environment=environment())
    if done.returncode:
        lines = done.stderr.splitlines() or ["no reason is given"]
        reason = next((line for line in lines if "error" in line), lines[0])
        raise InputError(f"the firmware must compile ({reason.strip()}): {main}")
    return read_elf(folder / "firmware.elf")


def head_files(name: str, head: Heads) -> dict[str, str]:
    """The head for the program: head.h and head.S, which takes its operands from head_q.bin, head_k.bin, head_v.bin."""
    _, queries, dimension = head.q.shape
    scale = head.scale_q[0, 0] * head.scale_k * head.softmax_scale * LOG2_E
    values = {"QUERIES": f"{queries}u", "KEYS": f"{len(head.k)}u", "DIMENSION": f"{dimension}u"}
    values |= {"SCORE_SCALE": repr(float(scale)), "CENTRED": str(int(head.centred)), "NAME": json.dumps(name)}
    lines = ('.section .shared, "aw"', *(line for part in "qkv" for line in operand(f"head_{part}")))
    return {
        "head.h": "".join(f"#define HEAD_{key} {value}\n" for key, value in values.items()),
        "head.S": "".join(f"{line}\n" for line in lines),
    }


def operand(name: str) -> tuple[str, ...]:
    """A file in the shared memory, in assembler."""
    return f".balign {LINE_BYTES}", f".globl {name}", f"{name}:", f'.incbin "{name}.bin"'

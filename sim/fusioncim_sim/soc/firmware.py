"""Firmware: the driver of a chip, what the system needs, a program in C, and the head that it computes, linked.

The operands lie in the shared memory as the linker puts them there; the program has their addresses from it.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from fusioncim.build.cache import build_root
from fusioncim.build.program import run_program
from fusioncim.chip.software.driver_files import files as driver_files
from fusioncim.chip.software.record_files import files as record_files
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import Heads
from fusioncim_golden.scale_table import pack_scales
from fusioncim_sim.rtl.job_places import LINE_BYTES
from fusioncim_sim.rtl.tensor_bytes import pack_integers
from fusioncim_sim.soc import memory_map
from fusioncim_sim.soc.elf import Linked, read_elf

SOURCES = Path(__file__).with_name("firmware")
MAIN = SOURCES / "main.c"
TARGET = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+zicsr")
FLAGS = ("-std=c99", "-Os", "-g", "-ffreestanding", "-Wall", "-Wextra", "-Werror")


def link(
    chip: ChipConfig, name: str, head: Heads, folder: Path, *, main: Path = MAIN, defines: Mapping[str, int] | None = None
) -> Linked:
    """Compile and link the firmware of a chip that computes a head, in a folder.

    main: its program. defines: macros that replace those of the system.
    """
    headers = {name: text for name, text in driver_files(chip).items() if name.endswith(".h")} | record_files()
    texts = headers | {name: text for name, text in driver_files(chip).items() if name.endswith(".c")}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in SOURCES.iterdir()} | head_files(name, head)
    texts |= {"system_map.h": memory_map.header(), "memory.ld": memory_map.linker_script()}
    texts["main.c"] = main.read_text(encoding="utf-8")
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    for part, vectors in (("q", head.q[0]), ("k", head.k), ("v", head.v)):
        (folder / f"head_{part}.bin").write_bytes(pack_integers(vectors, chip.engine.operand_bits).tobytes())
    sources = sorted(file for file in texts if file.endswith((".c", ".S")))
    command = [
        *(sys.executable, "-m", "ziglang", "cc", *TARGET, *FLAGS),
        *(f"-D{macro}={value}" for macro, value in (defines or {}).items()),
        *("-Wl,-T,link.ld", "-Wl,-e,_start", "-o", "firmware.elf", *sources),
    ]
    done = run_program(command, directory=folder, environment=environment())
    if done.returncode:
        raise InputError(f"the firmware must compile, and does not:\n{done.stderr.strip()}")
    return read_elf(folder / "firmware.elf")


def head_files(name: str, head: Heads) -> dict[str, str]:
    """The head for the program: head.h and head.S, which takes its operands from head_q.bin, head_k.bin, head_v.bin."""
    _, queries, dimension = head.q.shape
    (scale,) = pack_scales(head.mantissa[:, 0], head.shift[:, 0], head.centred)
    values = {"QUERIES": queries, "KEYS": len(head.k), "DIMENSION": dimension, "SCALE": f"{int(scale):#x}"}
    lines = [f'#define HEAD_NAME "{name}"', *(f"#define HEAD_{key} {value}u" for key, value in values.items())]
    places = [
        f'    .balign {LINE_BYTES}\n    .globl head_{part}\nhead_{part}:\n    .incbin "head_{part}.bin"\n' for part in "qkv"
    ]
    return {"head.h": "\n".join([*lines, ""]), "head.S": '    .section .shared, "aw"\n' + "".join(places)}


def environment() -> dict[str, str]:
    """That of the compiler, which keeps what it compiles."""
    place = str(build_root() / "zig")
    return {**os.environ, "ZIG_GLOBAL_CACHE_DIR": place, "ZIG_LOCAL_CACHE_DIR": place}

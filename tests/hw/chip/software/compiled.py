"""The C driver of a chip, compiled: as a library for Python, and what compilers there are."""

import ctypes
import os
import shutil
import subprocess

from fusioncim.build.c_compiler import CLANG, RISCV, environment
from fusioncim.chip.software.driver_files import EXAMPLE, files
from fusioncim.chip.software.record_files import files as record_files

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion")
FREESTANDING = (*STRICT, "-ffreestanding")
RISCV_GCC = "riscv64-unknown-elf-gcc"
COMPILERS = {"gcc": ("gcc",), "clang": CLANG, "clang for RISC-V": (*CLANG, *RISCV)} | (
    {"gcc for RISC-V": (RISCV_GCC, "-march=rv32imc", "-mabi=ilp32")} if shutil.which(RISCV_GCC) else {}
)
ACCESS = """
#include <stdint.h>
extern uint32_t (*test_read)(uintptr_t, uint32_t);
extern void (*test_write)(uintptr_t, uint32_t, uint32_t);
#define FUSIONCIM_READ(base, offset) test_read((base), (offset))
#define FUSIONCIM_WRITE(base, offset, value) test_write((base), (offset), (value))
"""
POINTERS = "uint32_t (*test_read)(uintptr_t, uint32_t);\nvoid (*test_write)(uintptr_t, uint32_t, uint32_t);\n"


class Handle(ctypes.Structure):
    """`fusioncim_t`."""

    _fields_ = [
        ("base", ctypes.c_size_t),
        ("polls", ctypes.c_uint32),
        ("next", ctypes.c_uint32),
        ("read", ctypes.c_uint32),
    ]


class Outcome(ctypes.Structure):
    """`fusioncim_outcome_t`."""

    _fields_ = [("status", ctypes.c_uint32), ("sequence", ctypes.c_uint32)]


def compile_c(compiler, *options, place):
    """Run a compiler of COMPILERS in a directory; a warning is an error."""
    command = [*COMPILERS[compiler], *map(str, options)]
    variables = environment() if compiler.startswith("clang") else os.environ
    done = subprocess.run(command, cwd=place, env=variables, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def written(place, chip):
    """The driver's files in a directory; its sources but for the example."""
    texts = files(chip) | record_files()
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8")
    return [place / name for name in texts if name.endswith(".c") and name != EXAMPLE.name]


def library(place, chip):
    """The driver as a shared library, its registers behind function pointers."""
    sources = written(place, chip)
    (place / "access.h").write_text(ACCESS, encoding="utf-8")
    (place / "pointers.c").write_text(POINTERS, encoding="utf-8")
    options = (*FREESTANDING, "-shared", "-fPIC", "-include", "access.h", "-o", "driver.so")
    compile_c("gcc", *options, *sources, "pointers.c", place=place)
    this = ctypes.CDLL(str(place / "driver.so"))
    this.fusioncim_status_words.restype = this.fusioncim_result_words.restype = ctypes.c_char_p
    this.fusioncim_take_interrupts.restype = ctypes.c_uint32
    return this

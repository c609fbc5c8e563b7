"""A compiler for C and C++ that comes with pip: Clang, for this machine and for RISC-V without an operating system."""

import os
import sys
from importlib.util import find_spec

from fusioncim.build.cache import build_root
from fusioncim.build.program import run_program
from fusioncim_golden.errors import InputError

PACKAGE = (sys.executable, "-m", "ziglang")
OPTIONS = ("-fno-sanitize=undefined", "-Wno-unused-command-line-argument")
CLANG, CLANGXX = (*PACKAGE, "cc", *OPTIONS), (*PACKAGE, "c++", *OPTIONS)
"""The commands, without checks that this package adds by itself. Without a target, code is for this very processor."""
RISCV = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c", "-ffreestanding")
"""Its options for RV32IMC."""


def environment() -> dict[str, str]:
    """Variables of its process: what it keeps goes to the build directory."""
    place = str(build_root() / "c-compiler")
    return {**os.environ, "ZIG_GLOBAL_CACHE_DIR": place, "ZIG_LOCAL_CACHE_DIR": place}


def require(purpose: str, extra: str) -> str:
    """What the compiler makes code for: its version and the processor; without it, an error that names the extra."""
    if not find_spec("ziglang"):
        raise InputError(f"the compiler for {purpose} is missing: install it with pip install 'fusioncim[{extra}]'")
    return run_program([*PACKAGE, "build-obj", "--show-builtin"], environment=environment()).stdout

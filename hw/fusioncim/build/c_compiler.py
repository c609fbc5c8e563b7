"""A C compiler that comes with pip: Clang, for this machine and for RISC-V without an operating system."""

import os
import sys

from fusioncim.build.cache import build_root

CLANG = (sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=undefined", "-Wno-unused-command-line-argument")
"""The command, without the checks that this package adds by itself."""
RISCV = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c", "-ffreestanding")
"""Its options for RV32IMC."""


def environment() -> dict[str, str]:
    """Variables of its process: what it keeps goes to the build directory."""
    place = str(build_root() / "c-compiler")
    return {**os.environ, "ZIG_GLOBAL_CACHE_DIR": place, "ZIG_LOCAL_CACHE_DIR": place}

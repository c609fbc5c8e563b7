"""The library of a chip from Python: `ChipModel` is a chip, and `Registers` the driver's way to its registers.

Memory is lent to the chip by `ChipModel.map`. `driver.Driver(Registers(model), chip)` then pushes jobs that lie there.
"""

import ctypes
import tomllib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from fusioncim_golden.chip_config import ChipConfig, chip_from_dict
from fusioncim_golden.errors import InputError
from fusioncim_sim.rtl.tensor_bytes import Bytes

MODEL = ctypes.c_void_p
INTERFACE: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "open": (MODEL, (ctypes.c_char_p,)),
    "close": (None, (MODEL,)),
    "map": (ctypes.c_int, (MODEL, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64)),
    "read": (ctypes.c_int, (MODEL, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32))),
    "write": (ctypes.c_int, (MODEL, ctypes.c_uint32, ctypes.c_uint32)),
    "run": (ctypes.c_int, (MODEL, ctypes.c_uint64)),
    "cycles": (ctypes.c_uint64, (MODEL,)),
    "error": (ctypes.c_char_p, (MODEL,)),
    "config": (ctypes.c_char_p, ()),
    "memory": (ctypes.c_int, (MODEL, ctypes.c_uint32, ctypes.c_double)),
    "pauses": (ctypes.c_int, (MODEL, ctypes.c_uint64, ctypes.c_double, ctypes.c_double)),
    "fault": (ctypes.c_int, (MODEL, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32)),
    "reset": (None, (MODEL,)),
}
"""Result and arguments of the functions of fusioncim_model.h, by the ends of their names."""
POLL_CYCLES = 50


class ModelError(RuntimeError):
    """The model could not do what it was asked for."""


class ChipModel:
    """A chip after reset, from a library that `fusioncim build-model` wrote.

    library: its file. chip: what it must have been built for; None: whatever it was. trace: file of an FST to write.

    Members:
        chip: the chip.
    """

    def __init__(self, library: Path, chip: ChipConfig | None = None, *, trace: Path | None = None) -> None:
        self._functions = functions(library)
        built = chip_from_dict(tomllib.loads(self._functions["config"]().decode()))
        self.chip = chip or built
        check_same(self.chip, built, library)
        self._maps: list[Bytes] = []
        self._model: int | None = self._functions["open"](str(trace).encode() if trace else None)
        if not self._model:
            raise InputError(self._error())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give everything back; a trace is complete then."""
        if self._model:
            self._functions["close"](self._model)
        self._model = None
        self._maps.clear()

    def map(self, memory: int | Bytes, base: int = 0) -> Bytes:
        """Lend memory, or so many bytes of 0, which the chip sees from the address `base` on; as an array."""
        array = np.zeros(memory, np.uint8) if isinstance(memory, int) else memory
        if array.dtype != np.uint8 or not array.flags.c_contiguous or not array.flags.writeable:
            raise InputError("memory must be a contiguous array of uint8 that can be written")
        if not 0 <= base < 1 << 64:
            raise InputError(f"base must be from 0 to 2**64 - 1, not {base}")
        if self._call("map", base, array.ctypes.data, array.size):
            raise InputError(self._error())
        self._maps.append(array)
        return array

    def memory(self, *, latency: int = 30, share: float = 1.0) -> None:
        """How fast the memory is, see `axi_memory.AxiMemory`."""
        if self._call("memory", max(0, min(latency, (1 << 32) - 1)), share):
            raise InputError(self._error())

    def pauses(self, *, seed: int = 0, part: float = 0.0, length: float = 1.0) -> None:
        """Let every channel pause on its own in a part of the cycles, in runs of so many on average; 1: it hangs."""
        if self._call("pauses", seed, part, length):
            raise InputError(self._error())

    def fault(self, base: int, size: int, *, response: int = 2, directions: int = 3) -> None:
        """Let the beats of these bytes fail with SLVERR (2) or DECERR (3); directions: 1 reads, 2 writes, 3 both."""
        if self._call("fault", base, size, response, directions):
            raise InputError(self._error())

    def no_fault(self) -> None:
        """Let no beat fail but those outside of all maps."""
        self._call("fault", 0, 0, 0, 0)

    def reset(self) -> None:
        """Reset chip and bus; memory, its speed, pauses, faults and cycles stay."""
        self._call("reset")

    def read(self, offset: int) -> int:
        """The register at a byte offset."""
        value = ctypes.c_uint32()
        if self._call("read", offset, ctypes.byref(value)):
            raise ModelError(self._error())
        return value.value

    def write(self, offset: int, value: int) -> None:
        """Write the register at a byte offset."""
        if self._call("write", offset, value):
            raise ModelError(self._error())

    def run(self, cycles: int) -> bool:
        """Let the clock run until the interrupt, or for so many cycles; the interrupt is there."""
        found = self._call("run", cycles)
        if found < 0:
            raise ModelError(self._error())
        return bool(found)

    @property
    def cycles(self) -> int:
        """Cycles since the reset."""
        return int(self._call("cycles"))

    @property
    def error(self) -> str:
        """What went wrong last; nothing if nothing did."""
        self._call("cycles")
        return self._error()

    def _error(self) -> str:
        return str(self._functions["error"](self._model).decode(errors="replace"))

    def _call(self, name: str, *arguments: Any) -> Any:
        if not self._model:
            raise ModelError("the model is closed")
        return self._functions[name](self._model, *arguments)


class Registers:
    """The transport of `driver.Driver` to the registers of a model.

    cycles: that a pause takes at most; it ends early where an interrupt begins. limit: cycles of the model after which
    a pause is an error.
    """

    def __init__(self, model: ChipModel, *, cycles: int = POLL_CYCLES, limit: int | None = None) -> None:
        self.model, self.cycles, self.limit = model, cycles, limit

    async def read(self, offset: int) -> int:
        """The word at a byte offset."""
        return self.model.read(offset)

    async def write(self, offset: int, value: int) -> None:
        """Write the word at a byte offset."""
        self.model.write(offset, value)

    async def pause(self) -> None:
        """Some cycles; none while an interrupt is there, as reading a register takes some."""
        if self.limit is not None and self.model.cycles >= self.limit:
            raise ModelError(f"the chip still works after {self.limit} cycles")
        self.model.run(self.cycles)


def functions(library: Path) -> dict[str, Any]:
    """The functions of a library by the ends of their names."""
    if not library.is_file():
        raise InputError(f"the library of the chip must be a file, not {library}")
    try:
        loaded = ctypes.CDLL(str(library.resolve()))
        found = {name: getattr(loaded, f"fusioncim_model_{name}") for name in INTERFACE}
    except (OSError, AttributeError) as error:
        raise InputError(f"the library of the chip must be one that build-model wrote ({error}): {library}") from error
    for name, (result, arguments) in INTERFACE.items():
        found[name].restype, found[name].argtypes = result, arguments
    return found


def check_same(chip: ChipConfig, built: ChipConfig, library: Path) -> None:
    """Refuse a library of another configuration; the error names the first parameter that differs."""
    there = built.as_dict()
    for name, value in chip.as_dict().items():
        if there[name] != value:
            raise InputError(f"the library must be built for {name} = {value}, not for {there[name]}: {library}")

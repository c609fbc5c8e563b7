"""The first program with any numbers, on a chip whose arithmetic is the golden model: right, and wrong on purpose."""

import ctypes
import re

import numpy as np
import pytest
from tests.hw.chip.software.compiled import STRICT, compile_c, written

from fusioncim.chip.registers import registers
from fusioncim.chip.software.driver_files import EXAMPLE
from fusioncim_golden import job as golden
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import Heads, quantize
from fusioncim_golden.reference import attention
from fusioncim_golden.schedule import Job

TINY = PRESETS["tiny"]
CHIPS = {
    "tiny": TINY,
    "4 bits, bytes": TINY.override(operand_bits=4, softmax_lanes=2, output_bits=8),
    "coarse": TINY.override(probability_bits=6, lut_size=8, accumulator_bits=18, slack=2, flush=6, seed=True),
    "paper": PRESETS["paper"],
}
# Largest magnitude of query, key and value; tokens and dimension.
NUMBERS = {
    "as large as those of the program": (4, 1, 7, 8, 8),
    "large": (300, 0.25, 7, 8, 8),
    "small": (0.1, 0.1, 1e6, 8, 8),
    "steep": (100, 50, 1, 8, 8),
    "nothing": (0, 0, 0, 8, 8),
    "more": (3, 2, 1, 16, 16),
    "too large": (3e3, 3e3, 1, 8, 8),
}
MEMORY, SIZE = 0x80100000, 0x4000
ACCESS = f"""
#include <stdint.h>
#include <stdio.h>
extern uint32_t (*test_read)(uint32_t);
extern void (*test_write)(uint32_t, uint32_t);
extern uint8_t test_memory[{SIZE}];
extern char test_text[10000];
extern unsigned test_length;
#define FUSIONCIM_READ(base, offset) ((void)(base), test_read(offset))
#define FUSIONCIM_WRITE(base, offset, value) ((void)(base), test_write((offset), (value)))
#define MEMORY_BYTES test_memory
#define MEMORY_SIZE {SIZE:#x}u
#define SAY(...) test_length += (unsigned)sprintf(test_text + test_length, __VA_ARGS__)
int test_main(void);
"""
HOST = f"""
uint32_t (*test_read)(uint32_t);
void (*test_write)(uint32_t, uint32_t);
uint8_t test_memory[{SIZE}];
char test_text[10000];
unsigned test_length;
"""
READ, WRITE = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32), ctypes.CFUNCTYPE(None, *[ctypes.c_uint32] * 2)
OPTIONS = (*STRICT, "-fPIC", "-include", "access.h", "-Dmain=test_main")


def drawn(name):
    """Tokens, dimension, and query, key and value as arrays."""
    *largest, tokens, dimension = NUMBERS[name]
    generator = np.random.default_rng(1)
    return tokens, dimension, [each * generator.uniform(-1, 1, (tokens, dimension)) for each in largest]


def with_numbers(text, tokens, dimension, arrays):
    """The program with other sizes, and arrays in the place of its functions."""
    text = text.replace("#define TOKENS 8u", f"#define TOKENS {tokens}u")
    text = text.replace("#define DIMENSION 8u", f"#define DIMENSION {dimension}u")
    for name, array in zip(("query", "key", "value"), arrays, strict=True):
        head = f"static double {name}(unsigned n, unsigned column)\n{{\n"
        rows = ",".join("{" + ",".join(map(repr, row)) + "}" for row in array.tolist())
        body = f"    static const double given[TOKENS][DIMENSION] = {{{rows}}};\n    return given[n][column];\n}}\n"
        assert head in text
        text = re.sub(re.escape(head) + r".*?\n}\n", lambda _, new=head + body: new, text, flags=re.DOTALL)
    return text


class GoldenChip:
    """Runs the job of the program when it is pushed; moved: what is added to an output."""

    def __init__(self, chip, tokens, dimension, program, moved=0):
        self.chip, self.tokens, self.dimension, self.moved = chip, tokens, dimension, moved
        self.memory = np.ctypeslib.as_array((ctypes.c_uint8 * SIZE).in_dll(program, "test_memory"))
        self.written = []
        self.at = {register.offset: name for name, register in registers().items()}
        self.words = {"ID": 0x4D494346, "VERSION": 2 << 16, "STATUS": 4 << 8} | {
            f"CAPABILITY_{name.upper()}": value for name, value in chip.capability().items()
        }
        self.callbacks = READ(lambda offset: self.words.get(self.at[offset], 0)), WRITE(self.write)
        for name, callback in zip(("test_read", "test_write"), self.callbacks, strict=True):
            ctypes.c_void_p.in_dll(program, name).value = ctypes.cast(callback, ctypes.c_void_p).value

    def write(self, offset, value):
        self.written.append(self.at[offset])
        if self.at[offset] == "CONTROL" and value == 1:
            self.run()
            self.words["JOBS_COMPLETED"] = 1

    def integers(self, vectors):
        if self.chip.engine.operand_bits == 8:
            return vectors[..., : self.dimension].view(np.int8).astype(np.int64)
        pairs = vectors[..., : self.dimension // 2, None].astype(np.int64) >> np.array([0, 4]) & 15
        return (pairs.reshape(*vectors.shape[:2], -1) ^ 8) - 8

    def run(self):
        pitch = -(-2 * self.dimension // 16) * 16
        tensors = self.memory[0x200:][: 4 * self.tokens * pitch].reshape(4, self.tokens, pitch)
        self.q, self.k, self.v = self.integers(tensors[:3])
        word = np.full((1, self.tokens), int(self.memory[0x100:0x104].view("<u4")[0]))
        scales = {"scale_q": np.ones((1, self.tokens)), "scale_k": 1.0, "scale_v": 1.0, "softmax_scale": 1.0}
        heads = Heads(q=self.q[None], k=self.k, v=self.v, mantissa=word & 255, shift=word >> 8, **scales)
        found = golden.run(self.chip, [heads], start=0)
        self.out = found.out[0][:, : self.dimension].copy()
        self.out[-1, 0] += self.moved
        kind = "<i2" if self.chip.engine.output_bits == 16 else "i1"
        rows = self.out.astype(kind).view(np.uint8)
        tensors[3, :, : rows.shape[1]] = rows
        self.memory[0x200 + tensors.size :][: 4 * self.tokens].view("<u4")[:] = found.lse[0]


@pytest.fixture(scope="module", params=CHIPS)
def driver(request, tmp_path_factory):
    """A chip, the folder of its driver, and that compiled into one object."""
    chip, place = CHIPS[request.param], tmp_path_factory.mktemp("driver")
    sources = written(place, chip)
    (place / "access.h").write_text(ACCESS, encoding="utf-8")
    (place / "host.c").write_text(HOST, encoding="utf-8")
    compile_c("gcc", *OPTIONS, "-nostdlib", "-r", "-o", "driver.o", "host.c", *sources, place=place)
    return chip, place


def ran(driver, name, moved=0):
    """The chip behind a run of the program, the program's result, and the last line that it says."""
    chip, place = driver
    tokens, dimension, arrays = drawn(name)
    text = with_numbers((place / EXAMPLE.name).read_text(encoding="utf-8"), tokens, dimension, arrays)
    label = f"{sorted(NUMBERS).index(name)}_{moved}"
    (place / f"{label}.c").write_text(text, encoding="utf-8")
    compile_c("gcc", *OPTIONS, "-shared", "-o", f"{label}.so", f"{label}.c", "driver.o", place=place)
    program = ctypes.CDLL(str(place / f"{label}.so"))
    this = GoldenChip(chip, tokens, dimension, program, moved)
    result = program.test_main()
    return this, result, (ctypes.c_char * 10000).in_dll(program, "test_text").value.decode().splitlines()[-1]


@pytest.mark.parametrize("name", sorted(NUMBERS.keys() - {"too large"}))
def test_any_numbers_are_quantized_as_by_the_golden_model_and_come_out_right(driver, name):
    this, result, line = ran(driver, name)
    found = re.fullmatch(r"0 cycles, 0 elements wrong, largest error (\S+)", line)
    assert found, line
    assert result == 0
    tokens, _, (q, k, v) = drawn(name)
    bits, fraction = this.chip.engine.operand_bits, 8 if this.chip.engine.output_bits == 16 else 0
    most = (1 << (bits - 1)) - 1
    wanted = quantize(q[None], k, v, bits=bits)
    for found_integers, integers in ((this.q, wanted.q[0]), (this.k, wanted.k), (this.v, wanted.v)):
        assert np.array_equal(found_integers, integers)
    scale_v = abs(v).max() / most if v.any() else 1
    exact = attention(q[None], k, v, Job(queries=tokens, keys=tokens, heads=1, start=0))[0]
    assert float(found[1]) == pytest.approx(abs(this.out * scale_v / 2**fraction - exact).max(), rel=6e-3, abs=1e-12)


@pytest.mark.parametrize("driver", ["tiny"], indirect=True)
def test_an_output_that_no_rounding_explains_is_wrong(driver):
    for moved in (-2000, 2000):  # about eight steps of the values
        _, result, line = ran(driver, "as large as those of the program", moved)
        assert "cycles, 1 elements wrong, " in line
        assert result == 1


@pytest.mark.parametrize("driver", ["tiny", "paper"], indirect=True)
def test_scores_that_are_too_large_are_said_and_nothing_runs(driver):
    this, result, line = ran(driver, "too large")
    assert line == "a number is beyond what the job or the format of a word has room for"
    assert result == 1
    assert this.written == []

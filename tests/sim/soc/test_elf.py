"""The linked firmware as the simulation loads it."""

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.heads.captured import named
from fusioncim_sim.rtl.tensor_bytes import pack_integers
from fusioncim_sim.soc.elf import read_elf
from fusioncim_sim.soc.firmware import link
from fusioncim_sim.soc.memory_map import PROGRAM, PROGRAM_BYTES, SHARED, SHARED_BYTES

CHIP = PRESETS["tiny"].override(columns=64)


def test_operands_lie_where_their_symbols_say(tmp_path):
    head = named("local").first(5).quantized(CHIP.engine)
    linked = link(CHIP, "local", head, tmp_path)
    ((first, content),) = linked.within(SHARED, SHARED_BYTES).items()
    for part, x in (("q", head.q[0]), ("k", head.k), ("v", head.v)):
        data = pack_integers(x, 8).tobytes()
        place = linked.symbols[f"head_{part}"]
        assert place % 64 == 0
        assert content[place - first :][: len(data)] == data
    assert linked.symbols["_start"] == PROGRAM
    assert sum(map(len, linked.within(PROGRAM, PROGRAM_BYTES).values())) < PROGRAM_BYTES


@pytest.mark.parametrize("content", [b"", b"x", b"\x7fELF\x02\x01" + bytes(60), b"\x7fELF\x01\x01" + bytes(60)])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match="must be a linked program for RISC-V of 32 bits"):
        read_elf(tmp_path / "file")


REFUSED = {
    "x": r"main.c:1:\d+: error: .*",
    "char large[70000] = {1};\nint main(void) { return large[1]; }\nvoid chip_interrupt(void) {}\n": ".*program.*",
    "int main(void) { return 0; }\n": ".*chip_interrupt.*",
}


@pytest.mark.parametrize("program", REFUSED, ids=["no C", "too large", "no interrupt"])
def test_firmware_that_cannot_be_linked_is_refused(program, tmp_path):
    """The compiler's own error, on one line."""
    main = tmp_path / "own.c"
    main.write_text(program, encoding="utf-8")
    with pytest.raises(InputError, match=rf"^the firmware must compile \({REFUSED[program]}\): .*own.c$"):
        link(CHIP, "local", named("local").first(5).quantized(CHIP.engine), tmp_path, main=main)

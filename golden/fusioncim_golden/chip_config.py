"""The whole chip: engines, global buffer and bus around the numeric contract of one engine."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from fusioncim_golden.config import Config, check_choice, check_range, check_type
from fusioncim_golden.errors import InputError, unknown_key
from fusioncim_golden.limits import PACKED_BITS

ALIGNMENT = 16
"""Bytes of which the places of a job are multiples, whatever the width of the bus."""
TOKEN_SCALE_RANKS = (4, 8)
"""Values of update_rank with which the scales of a block's tokens lie beside each other in memory."""
JOB_QUEUE = 4
"""Jobs that wait behind the one whose queries are being loaded."""


@dataclass(frozen=True, kw_only=True)
class ChipConfig:
    """A chip.

    Members:
        engine: the configuration of every hybrid engine.
        engines: hybrid engines, a power of two up to 16.
        streams: key and value heads that pass together, at most; each needs an engine of its own.
        walks: passes whose blocks are fetched in turn, 1 or 2, where they share no engine: sequences with one key and
            value head on few engines.
        buffer_bytes: global buffer; one half holds keys, the other values.
        bus_bits: data bits of the memory bus.
        read_ports: with 2, values come over a read port of their own, as wide as the bus.
        address_bits: bits of a byte address in memory.
    """

    engine: Config = field(default_factory=Config)
    engines: int = 4
    streams: int = 4
    walks: int = 1
    buffer_bytes: int = 1 << 16
    bus_bits: int = 128
    read_ports: int = 1
    address_bits: int = 32

    def __post_init__(self) -> None:
        for name in ("engines", "streams", "walks", "buffer_bytes", "bus_bits", "read_ports", "address_bits"):
            check_type(name, getattr(self, name), int)
        check_range("address_bits", self.address_bits, 32, 64)
        check_choice("engines", self.engines, (1, 2, 4, 8, 16))
        check_range("streams", self.streams, 1, 16)
        check_choice("walks", self.walks, (1, 2))
        check_choice("bus_bits", self.bus_bits, (64, 128, 256, 512, 1024))
        check_choice("read_ports", self.read_ports, (1, 2))
        if self.engine.columns * self.engine.operand_bits % self.bus_bits:
            raise InputError(
                f"columns * operand_bits = {self.engine.columns * self.engine.operand_bits} "
                f"must be a multiple of bus_bits, not of {self.bus_bits}"
            )
        if self.engine.token_scale_bits and self.engine.update_rank not in TOKEN_SCALE_RANKS:
            raise InputError(
                f"update_rank must be one of {', '.join(map(str, TOKEN_SCALE_RANKS))} "
                f"with token_scale_bits = {self.engine.token_scale_bits}, not {self.engine.update_rank}"
            )
        if self.output_beat_bits > self.bus_bits:
            raise InputError(
                f"bus_bits must be at least units * output_bits = {self.output_beat_bits}, not {self.bus_bits}"
            )
        blocks, rest = divmod(self.buffer_bytes, self.block_bytes)
        if rest or blocks & (blocks - 1):
            fits = self.block_bytes << max(blocks.bit_length() - 1, 2)
            raise InputError(
                f"buffer_bytes must be a power of two of blocks of {self.block_bytes} bytes "
                f"(update_rank keys and values), as {fits} is, not {self.buffer_bytes}"
            )
        check_range("buffer_bytes", self.buffer_bytes, 4 * self.block_bytes, 1 << 26)
        if self.streams > blocks:
            raise InputError(f"streams must be at most the {blocks} blocks of the global buffer, not {self.streams}")

    @property
    def bus_bytes(self) -> int:
        """Bytes of a beat."""
        return self.bus_bits // 8

    @property
    def alignment(self) -> int:
        """Bytes of which every address and pitch is a multiple: 16, or a beat if that is less."""
        return min(ALIGNMENT, self.bus_bytes)

    @property
    def vector_bytes(self) -> int:
        """Bytes of the longest query, key or value."""
        return self.engine.columns * self.engine.operand_bits // 8

    @property
    def packs(self) -> bool:
        """Keys and values of a job may be packed, two operands to a byte."""
        return self.engine.operand_bits > PACKED_BITS

    @property
    def output_bytes(self) -> int:
        """Bytes of the longest output row."""
        return self.engine.columns * self.engine.output_bits // 8

    @property
    def output_beat_bits(self) -> int:
        """Bits of a row that an engine gives in a cycle."""
        return self.engine.units * self.engine.output_bits

    @property
    def block_bytes(self) -> int:
        """Bytes of the keys and values of a block."""
        return 2 * self.engine.update_rank * self.vector_bytes

    @property
    def buffer_blocks(self) -> int:
        """Blocks that the global buffer holds."""
        return self.buffer_bytes // self.block_bytes

    def capability(self) -> dict[str, int]:
        """What a driver must know of a chip, by the names of the capability registers."""
        own = ("engines", "bus_bytes", "buffer_bytes", "address_bits")
        engine = ("rows", "columns", "words", "operand_bits", "output_bits", "update_rank")
        extras = ("token_scale_bits", "alibi")
        return {name: getattr(self, name) for name in own} | {
            name: int(getattr(self.engine, name)) for name in (*engine, *extras)
        }

    def alone(self) -> Config:
        """The engine as it is where it works alone: in the order of the key blocks that `KeyOrder.alone` names."""
        return self.engine.override(schedule=self.engine.key_order().alone or self.engine.schedule)

    def override(self, /, **changes: Any) -> Self:
        """The same chip with some values changed, its own or the engine's; an unknown name is refused."""
        own, engine = split(changes)
        return replace(self, engine=replace(self.engine, **engine), **own)

    def as_dict(self) -> dict[str, Any]:
        """The parameters by name, the chip's own first."""
        own = asdict(self)
        inner = own.pop("engine")
        return {**own, **inner}


def split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The chip's own parameters and the engine's; an unknown name is refused."""
    own = [item.name for item in fields(ChipConfig) if item.name != "engine"]
    engine = [item.name for item in fields(Config)]
    for name in values:
        if name not in own and name not in engine:
            raise unknown_key(name, [*own, *engine])
    return {name: values[name] for name in own if name in values}, {n: x for n, x in values.items() if n in engine}


def chip_from_dict(values: Mapping[str, Any]) -> ChipConfig:
    """The inverse of `ChipConfig.as_dict`."""
    return ChipConfig().override(**values)

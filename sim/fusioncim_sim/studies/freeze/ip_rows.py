"""What rows of the IP-CIM are played: queries one after the other, each with all the keys that pass its tile."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim.comparison.held_rows import high_bits
from fusioncim_golden.arith import Bool, Int
from fusioncim_golden.config import Config
from fusioncim_golden.ip_cim import offset_scores

LATENCY = 2
"""Cycles from a key's last plane to its score."""


@dataclass(frozen=True)
class PlayedRow:
    """A query and the keys that pass it.

    Members:
        q: [columns], symmetric.
        k: [keys, columns].
        visible: [keys].
        frozen: [keys], after their high planes.
        least: [keys], see `Pattern`.
    """

    q: Int
    k: Int
    visible: Bool
    frozen: Bool
    least: Int

    def seen(self) -> "PlayedRow":
        """With its visible keys alone."""
        return PlayedRow(
            self.q,
            self.k[self.visible],
            self.visible[self.visible],
            self.frozen[self.visible],
            self.least[self.visible],
        )


Table = dict[str, list[str]]
ROW = frozenset({"enable", "first", "plane", "read", "word", "write_enable", "write_word", "write_data", "take"})
"""Inputs of `IpCimRow`."""


def key_table(config: Config, rows: Sequence[PlayedRow], *, held: bool) -> Table:
    """Inputs of `IpCimRow`, or with `held` of `HeldRow`: all planes of a key, then those of the next one."""
    cycles = _Cycles(config)
    for word, row in enumerate(rows):
        cycles.query(word % config.words, row.q)
        for planes, visible in zip(planes_of(config, row.k), row.visible.tolist(), strict=True):
            for n, plane in enumerate(planes):
                cycles.add(enable=1, first=int(n == 0), plane=plane, active=int(visible))
            if visible or not held:
                cycles.take()
        cycles.rest()
    return cycles.table(ROW | {"active"} if held else ROW)


def nibble_table(config: Config, rows: Sequence[PlayedRow]) -> Table:
    """Inputs of `NibbleRow`: high planes of two keys, then their low ones."""
    half = config.operand_bits // 2
    cycles = _Cycles(config)
    for word, row in enumerate(rows):
        cycles.query(word % config.words, row.q)
        planes = planes_of(config, row.k)
        beyond = int(offset_scores(row.q[None], row.k, config.operand_bits)[1][0])
        for pair in range(0, len(planes), 2):
            keys = range(pair, min(pair + 2, len(planes)))
            last = True  # the nibble before this one counted
            for high in (True, False):
                for key in keys:
                    counts = bool(row.visible[key]) and (high or not bool(row.frozen[key]))
                    for n, plane in enumerate(planes[key][:half] if high else planes[key][half:]):
                        cycles.add(
                            enable=1,
                            first=int(high and n == 0),
                            plane=plane,
                            active=int(counts),
                            swap=int(n == 0 and counts and (high or last)),
                            least=_clipped(config, int(row.least[key]) + beyond),
                        )
                    if high and counts:
                        cycles.later("decide", LATENCY)
                    if not high and counts:
                        cycles.take()
                    last = counts if len(keys) == 2 else False
        cycles.rest()
    return cycles.table({*_Cycles.PORTS})


def planes_of(config: Config, k: Int) -> list[list[int]]:
    """Bit-planes of keys [keys, columns], the sign plane first: a number with a bit per column."""
    bits = k[:, None, :] >> np.arange(config.operand_bits - 1, -1, -1)[:, None] & 1
    packed = np.packbits(bits.astype(np.uint8), axis=-1, bitorder="little")
    return [[int.from_bytes(plane.tobytes(), "little") for plane in key] for key in packed]


def stored(config: Config, q: Int) -> int:
    """A query as the bank keeps it: magnitudes and signs."""
    sign = 1 << (config.operand_bits - 1)
    words = np.where(q < 0, sign | -q, q).tolist()
    return sum(word << (n * config.operand_bits) for n, word in enumerate(words))


def _clipped(config: Config, least: int) -> int:
    low = -(1 << (high_bits(config) - 1))
    return max(low, min(least, -low - 1)) & (-2 * low - 1)


class _Cycles:
    """Input ports by cycle."""

    PORTS = (*sorted(ROW), "active", "swap", "decide", "least")

    def __init__(self, config: Config) -> None:
        self.config = config
        self.values: list[Mapping[str, int]] = []
        self.strobes: dict[str, set[int]] = {"take": set(), "decide": set()}
        self.held = dict.fromkeys(self.PORTS, 0)

    def add(self, **ports: int) -> None:
        """A cycle; wide ports keep their values, strobes do not."""
        strobes = dict.fromkeys(("enable", "read", "write_enable", "active", "swap"), 0)
        self.held = {**self.held, **strobes, **ports}
        self.values.append(self.held)

    def query(self, word: int, q: Int) -> None:
        """Write a query, and fetch it."""
        self.add(write_enable=1, write_word=word, write_data=stored(self.config, q))
        self.add(read=1, word=word)

    def later(self, strobe: str, cycles: int) -> None:
        """A strobe so many cycles after the last one that was added."""
        self.strobes[strobe].add(len(self.values) - 1 + cycles)

    def take(self) -> None:
        """The score of the key whose last plane was added."""
        self.later("take", LATENCY)

    def rest(self) -> None:
        """Until the last score is taken."""
        for _ in range(LATENCY):
            self.add()

    def table(self, ports: Collection[str]) -> Table:
        """Hexadecimal, by port."""
        found = {port: [f"{cycle[port]:x}" for cycle in self.values] for port in self.PORTS if port in ports}
        for strobe in self.strobes.keys() & ports:
            found[strobe] = [str(int(n in self.strobes[strobe])) for n in range(len(self.values))]
        return found

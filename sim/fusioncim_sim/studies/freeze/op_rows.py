"""What a row of the OP-CIM is played: the blocks that pass its tile, each with the row's update and all columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim.engine.op_cim import choice_layout, group_size, row_command_layout, update_layout
from fusioncim_golden.arith import Int
from fusioncim_golden.config import Config
from fusioncim_golden.softmax import Update
from fusioncim_sim.rtl.packing import pack

Table = dict[str, list[str]]


@dataclass(frozen=True)
class PlayedBlock:
    """A block of keys for a row: v [rank, columns], p [rank] and the rest of its update."""

    v: Int
    p: Int
    kind: int
    shift: int
    halve: bool


def column_table(config: Config, blocks: Sequence[PlayedBlock]) -> Table:
    """Inputs of `OpCimRow`: a column per cycle, the update of the next block with the last one; nothing drains."""
    layout = row_command_layout(config)
    at = layout["choice"].offset
    commands, writes = [0], [0]
    loads, updates = [1], [update_word(config, blocks[0])]
    for n, block in enumerate(blocks):
        after = update_word(config, blocks[min(n + 1, len(blocks) - 1)])
        for column, choice in enumerate(choices(config, block.v)):
            last = column == config.block_cycles - 1
            head = {"enable": 1, "first": int(column == 0), "word": 0, "column": column}
            commands.append(pack(layout, {**head, "choice": choice_layout(config).from_bits(0)}) | choice << at)
            writes.append((column - 1) % config.block_cycles)
            loads.append(int(last))
            updates.append(after if last else updates[-1])
    still = dict.fromkeys(("write_word", "drain_enable", "drain_word", "drain_column", "show"), [0] * len(commands))
    columns = {"command": commands, "write_column": writes, "load": loads, "update": updates, **still}
    return {port: [f"{value:x}" for value in values] for port, values in columns.items()}


def update_word(config: Config, block: PlayedBlock) -> int:
    """The update of a block as the row gets it."""
    adds = block.kind != Update.SKIP
    fields = {"p": (block.p * adds).tolist(), "kind": block.kind, "shift": block.shift, "halve": int(block.halve)}
    return pack(update_layout(config), fields)


def choices(config: Config, v: Int) -> list[int]:
    """The decoded values [rank, columns] of every column step, as `choice_layout` has them."""
    size = group_size(config)
    bits = v.T[..., None] >> np.arange(config.operand_bits) & 1  # [columns, rank, bits]
    bits = bits.reshape(config.block_cycles, config.units, -1, size, config.operand_bits)
    which = (bits << np.arange(size)[:, None]).sum(axis=3)  # the set of the group's keys whose bit is 1
    sets = np.arange(1, 1 << size)[:, None]
    picked = which[:, :, :, None, :] == sets
    packed = np.packbits(picked.reshape(config.block_cycles, -1).astype(np.uint8), axis=-1, bitorder="little")
    return [int.from_bytes(step.tobytes(), "little") for step in packed]

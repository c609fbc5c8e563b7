"""Attention of many jobs at once, every bit as `fusioncim_golden.engine`.

    O = sum over blocks of floor(D * 2^-s + 1/2)        D = P V of a block, s = align + dropped_bits

with O shifted where a reference moved. P is scaled by 2^-s before it is multiplied, and a column of 1/2 beside it
brings the rounding, so a block is one small matrix product, a floor and an addition. All of it is exact in float32:
|D| is at most 2^22, so that a sum has at most 24 bits unless s > 24, where |D| 2^-s is below 1/4 and the floor is 0
either way. O has float64 where it needs more than 24 bits.

Which rows pass the keys together, and in which order, is for `parts` to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fusioncim_golden.config import OUTPUT_FRACTION_BITS, SCALE_BITS, Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import sees
from fusioncim_golden.pytorch.events import Events
from fusioncim_golden.pytorch.normalizer import finished, log_sum_exp, normalize
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.parts import Chunk, Part, Step, chunks, parts
from fusioncim_golden.pytorch.softmax import HIDDEN, Rows, log2_score, merge, penalty, probabilities
from fusioncim_golden.pytorch.token_scale import KeyScales, scales_of
from fusioncim_golden.quantize import operand_max
from fusioncim_golden.scale_table import MOST_MANTISSA

MAX_COLUMNS = 1024
"""Largest head dimension of an engine; scores of it are exact in float32."""


class Result(NamedTuple):
    """Outputs int64 [jobs, rows, columns of v], log-sum-exp words int64 [jobs, rows], as of `engine.Result`."""

    out: Tensor
    lse: Tensor


class Engine(Protocol):
    """What computes the integers of a layer: this model, or hardware that is held to it."""

    def attend(self, config: Config, operands: Operands, *, engines: int, layer: int) -> Tensor:
        """The outputs of `run`; layer: index of the layer that asks."""


@dataclass(frozen=True)
class GoldenEngine:
    """This model."""

    def attend(self, config: Config, operands: Operands, *, engines: int, layer: int) -> Tensor:
        """As of `Engine`."""
        return attend(config, operands, engines=engines)


def run(config: Config, operands: Operands, *, engines: int = 1, events: Events | None = None) -> Result:
    """Outputs and log-sum-exp as of `engine.run`; counts into `events`."""
    check_columns(operands)
    out = torch.zeros(outputs(operands), dtype=torch.int64, device=operands.q.device)
    lse = torch.zeros(out.shape[:-1], dtype=torch.int64, device=out.device)
    if events is not None:
        events.begin(config, operands)
    for part in parts(config, operands, engines):
        o = accumulate(config, part, events)
        rows = finished(config, part.rows, part.operands.sinks)
        part.put(out, normalize(config, o, rows))
        part.put(lse, log_sum_exp(config, rows))
    return Result(out, lse)


def attend(config: Config, operands: Operands, *, engines: int = 1, events: Events | None = None) -> Tensor:
    """The outputs of `run`."""
    return run(config, operands, engines=engines, events=events).out


def outputs(operands: Operands) -> tuple[int, ...]:
    """The shape of the outputs: rows as of q, columns as of v."""
    return (*operands.q.shape[:-1], operands.v.shape[-1])


def count(config: Config, operands: Operands, *, engines: int = 1) -> Events:
    """The events of `attend`, in the time of the softmax alone."""
    check_columns(operands)
    events = Events()
    events.begin(config, operands)
    for part in parts(config, operands, engines):
        for step in walk(config, part):
            events.count(config, step)
    return events


def check_columns(operands: Operands) -> None:
    """Refuse heads whose scores are not exact."""
    if operands.q.shape[-1] > MAX_COLUMNS:
        raise InputError(f"the head dimension must be at most {MAX_COLUMNS}, not {operands.q.shape[-1]}")


def scores(config: Config, part: Part) -> Iterator[tuple[Chunk, Tensor]]:
    """All chunks in order, with their scores [lines, rank, blocks, rows] as floats, of masked keys, too."""
    operands, exact = part.operands, product_type()
    k = padded(config, operands.k).to(exact)
    q = operands.q.clamp(min=-operand_max(config.operand_bits)).to(exact).transpose(1, 2)
    for chunk in chunks(config, part):
        score = torch.bmm(part.of_keys(k, key_rows(chunk)), q[chunk.lines, :, chunk.rows])
        yield chunk, score.unflatten(1, (config.update_rank, -1))


def key_rows(chunk: Chunk) -> Tensor:
    """The keys of a chunk [1 or lines, rank * blocks]: the first ones of all blocks, then the second ones of all .."""
    return chunk.keys.transpose(1, 2).flatten(1)


def padded(config: Config, x: Tensor) -> Tensor:
    """Keys [jobs, keys, ..] to whole blocks, and one block that no row sees."""
    return torch.nn.functional.pad(x, (0, 0, 0, -x.shape[1] % config.update_rank + config.update_rank))


def walk(config: Config, part: Part) -> Iterator[Step]:
    """All chunks in order, into the rows in place."""
    operands, rows = part.operands, part.rows
    table = torch.tensor(config.lut, dtype=torch.int32, device=operands.q.device) * 2
    code = None if operands.token_scales is None else padded(config, operands.token_scales)
    slope = None if operands.slopes is None else slope_of(operands.slopes)
    for chunk, score in scores(config, part):
        keys = key_rows(chunk)
        of_k = of_v = None
        if code is not None:
            own = part.of_keys(code, keys)
            of_k = scales_of(own[..., 0], config.token_scale_bits).value()
            of_v = KeyScales(
                *(x.unflatten(1, (config.update_rank, -1)) for x in scales_of(own[..., 1], config.token_scale_bits))
            )
        x = log2_score(config, score.flatten(1, 2), chunk.of(operands.mantissa), chunk.of(operands.shift), of_k)
        if slope is not None and operands.position is not None:
            x -= penalty(config, chunk.of(slope), (chunk.of(operands.position)[:, None] - keys[..., None]).abs_())
        hide(config, x, keys, chunk.of(operands.low), chunk.of(operands.high))
        block = probabilities(config, x.view(len(x), config.update_rank, -1, x.shape[-1]), table, of_v)
        state = Rows(*(None if each is None else chunk.of(each) for each in rows))
        exponent, total = (each.to(rows.row_sum.dtype).unbind(dim=1) for each in (block.exponent, block.total))
        blocks = zip(exponent, total, strict=True)
        updates = [merge(config, state, *each, centred=operands.centred) for each in blocks]
        active, align, move = (torch.stack(each).to(torch.int32) for each in zip(*updates, strict=True))
        yield Step(part, chunk, block, active, align, move)


def slope_of(words: Tensor) -> Tensor:
    """The slopes mantissa / 2^shift of words as of `scale_table`, float64; 0 for the word 0."""
    return (words & MOST_MANTISSA) * torch.exp2(-(words >> SCALE_BITS).double())


def product_type() -> torch.dtype:
    """In which products of integers are exact: float32 unless torch is told, or may be told, to round its operands."""
    try:
        return torch.float32 if torch.get_float32_matmul_precision() == "highest" else torch.float64
    except RuntimeError:  # the precision was set for one backend alone
        return torch.float64


def accumulate(config: Config, part: Part, events: Events | None) -> Tensor:
    """O [lines, rows, columns of v], units of 2^dropped_bits, after all keys; it brings the rows to their end, too."""
    operands, exact = part.operands, product_type()
    v = padded(config, operands.v).to(exact)
    ones = torch.ones(1, 1, 1, v.shape[-1], dtype=exact, device=v.device)
    kind = exact if config.accumulator_bits <= 24 else torch.float64
    o = torch.zeros(outputs(operands), dtype=kind, device=v.device)
    for step in walk(config, part):
        value = part.of_keys(v, step.chunk.keys.flatten(1)).unflatten(1, (-1, config.update_rank))
        values = torch.cat([value, ones.expand(*value.shape[:2], -1, -1)], dim=2).unbind(dim=1)
        weight = weights(config, step.block.p, step.active, step.align, exact).transpose(2, 3).unbind()
        sums = step.chunk.of(o)
        for p, each, moved in zip(weight, values, moves(step.move, o.dtype), strict=True):
            if moved:
                sums[moved.place] = (sums[moved.place] * moved.factor + moved.half).floor_()
            sums += torch.bmm(p, each).floor_()
        if events is not None:
            events.count(config, step)
    return o


def hide(config: Config, x: Tensor, keys: Tensor, low: Tensor, high: Tensor) -> None:
    """Put masked keys far below all others: x [lines, n, rows], keys [1 or lines, n], low and high [lines, rows]."""
    partly = ((high.amin(dim=0) <= keys.max()) | (low.amax(dim=0) > keys.min())).nonzero()
    if len(partly):
        some = slice(int(partly[0]), int(partly[-1]) + 1)
        seen = sees(keys[:, :, None], low[:, None, some], high[:, None, some])
        x[:, :, some].masked_fill_(~seen, HIDDEN << config.fraction_bits)


def weights(config: Config, p: Tensor, active: Tensor, align: Tensor, exact: torch.dtype) -> Tensor:
    """[blocks, lines, rank + 1, rows]: p * 2^-s, then 1/2 where s > 0; all 0 where a block is skipped."""
    right = align + config.dropped_bits
    scale = (((127 - right) << 23) & active).view(torch.float32)  # the bits of 2^-right
    half = (-right >> 31).bitwise_and_(active).bitwise_and_(126 << 23).view(torch.float32)
    weight = torch.empty(len(right), len(p), p.shape[1] + 1, p.shape[-1], dtype=exact, device=p.device)
    torch.mul(p.permute(2, 0, 1, 3), scale[:, :, None], out=weight[:, :, :-1])
    weight[:, :, -1] = half
    return weight


@dataclass(frozen=True)
class Moves:
    """Rows whose O is shifted before a block: floor(O * factor + half). place: line and row of each."""

    place: tuple[Tensor, Tensor]
    factor: Tensor
    half: Tensor


def moves(move: Tensor, kind: torch.dtype) -> list[Moves | None]:
    """The shifts of O before each block of a chunk, move [blocks, lines, rows]."""
    block, line, row = move.nonzero(as_tuple=True)
    by = move[block, line, row]
    factor, half = torch.exp2(-by.abs().to(kind))[:, None], (by > 0).to(kind)[:, None] / 2
    sizes = torch.bincount(block, minlength=len(move)).tolist()
    parts = zip(*(each.split(sizes) for each in (line, row, factor, half)), strict=True)
    return [Moves((n, r), f, h) if len(n) else None for n, r, f, h in parts]


def output_unit(config: Config) -> float:
    """An output's last bit in units of V's."""
    return 0.5**OUTPUT_FRACTION_BITS if config.output_bits > OUTPUT_FRACTION_BITS else 1.0

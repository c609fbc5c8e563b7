"""What a chip did for layers of a model that are alike: where its cycles went, and its bytes by interface."""

from dataclasses import dataclass

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.models import Model


@dataclass(frozen=True, kw_only=True)
class LayerWork:
    """A layer of a model on a chip; all layers are alike and follow each other.

    Members:
        chip, model, clock_mhz: what was asked.
        counters: of the layer.
        pairs: unmasked scores.
    """

    chip: ChipConfig
    model: Model
    clock_mhz: float
    counters: Counts
    pairs: int

    @property
    def seconds(self) -> float:
        """Of a layer."""
        return self.counters.cycles / (self.clock_mhz * 1e6)

    @property
    def macs(self) -> int:
        """Unmasked multiply-accumulates of a layer, of QK^T and PV, with the model's own sizes."""
        return self.pairs * (self.model.key_size + self.model.value_size)

    @property
    def shares(self) -> dict[str, float]:
        """Where the engine-cycles of a layer go; together 1.

        working: unmasked multiply-accumulates; masked: those of masked scores and rows without a query; padded: those
        of columns beyond the model's sizes; load, memory, drain, imbalance: idle.
        """
        n, engine = self.counters, self.chip.engine
        total = n.cycles * self.chip.engines
        unmasked = self.pairs * engine.operand_bits / engine.rows
        used = (self.model.key_size + self.model.value_size) / (2 * engine.columns)
        return {
            "working": unmasked * used / total,
            "padded": unmasked * (1 - used) / total,
            "masked": (n.mac_cycles - unmasked) / total,
            "load": n.idle_load / total,
            "memory": n.idle_memory / total,
            "drain": n.idle_drain / total,
            "imbalance": n.idle_imbalance / total,
        }

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes of a layer by interface: memory, by what they are; global buffer; network, to all engines together."""
        n, block = self.counters, self.chip.block_bytes
        kept = block // 2 if self.model.latent else block  # keys alone
        return {
            "memory: queries": n.bytes_query,
            "memory: keys": n.bytes_key,
            "memory: values": n.bytes_value,
            "memory: scales": n.bytes_scale,
            "memory: outputs": n.bytes_output,
            "global buffer: written": n.buffer_writes * kept,
            "global buffer: read": n.buffer_reads * kept,
            "network: delivered": n.deliveries * block,
        }

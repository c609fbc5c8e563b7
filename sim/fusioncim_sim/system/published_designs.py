"""Designs that the paper compares itself with, leans on or builds on, and newer ones; and the table of them.

A figure stands here if the source says it. What the source leaves open is not guessed.
"""

from collections.abc import Sequence

from fusioncim_sim.markdown import markdown
from fusioncim_sim.system.published import Published

PAPER = "arXiv:2604.25317, Table II"
PUBLISHED: Sequence[Published] = (
    Published(
        name="paper's chip",
        node=28,
        precision="INT8",
        level="system",
        basis="simulated",
        tops_per_w=25.0,
        tops_per_mm2=2.0,
        mhz=400,
        dataflow="queries and outputs stationary",
        source="arXiv:2604.25317, Table I: 52.4 TOPS, 2.1 W, 26.2 mm2 (its 29.4 TOPS/W leaves out all but the engines)",
    ),
    Published(
        name="TranCIM",
        node=28,
        precision="INT8/16",
        level="system",
        basis="measured",
        tops_per_w=12.5,
        tops_per_mm2=0.22,
        mhz=240,
        other="15.59 uJ per token of BERT-base",
        dataflow="keys and values stationary, transposed by bit lines, pipelined",
        source=f"{PAPER}; F. Tu et al., JSSC 58(6), 2023",
    ),
    Published(
        name="P3ViT",
        node=28,
        precision="INT4/8/16",
        level="macro",
        basis="not stated",
        tops_per_w=23.2,
        tops_per_mm2=0.8,
        mhz=200,
        dataflow="keys and values stationary, ping-pong arrays with a transpose mode",
        source=f"{PAPER}; X. Fu et al., TCAS-I 70(12), 2023",
    ),
    Published(
        name="TensorCIM",
        node=28,
        precision="FP32",
        level="system",
        basis="measured",
        tops_per_w=8.3,
        other="3.7 nJ per gather",
        dataflow="weights stationary, sparse gathers",
        source="F. Tu et al., ISSCC 2023, title",
    ),
    Published(
        name="22 nm digital macro",
        node=22,
        precision="INT4",
        level="macro",
        basis="measured",
        tops_per_w=89.0,
        tops_per_mm2=16.3,
        dataflow="weights stationary",
        source="Y.-D. Chih et al., ISSCC 2021, 16.4, title",
    ),
    Published(
        name="28 nm output-stationary macro",
        node=28,
        precision="INT8 to INT2",
        level="macro",
        basis="measured",
        tops_per_w=20.9,
        dataflow="outputs stationary",
        source="CICC 2025, title: 20.9 to 137.2 TOPS/W; the lowest stands for the widest operands",
    ),
    Published(
        name="ADC-free macro",
        node=180,
        precision="INT4",
        level="macro",
        basis="simulated",
        tops_per_w=10.8,
        other="10.8 to 13.5 TOPS/W, 3.41 mm2 for 16 Kb",
        dataflow="weights stationary; mixed signal, spiking neurons instead of converters",
        source="Z. Xuan et al., TCAS-II 70(4), 2023 (doi 10.1109/TCSII.2022.3224049), abstract: after layout",
    ),
    Published(
        name="AutoDCIM",
        level="tool",
        basis="simulated",
        dataflow="a compiler from a specification to the layout of a digital macro",
        source="J. Chen et al., DAC 2023; no figure in what is public of it",
    ),
    Published(
        name="DNN+NeuroSim V2.0",
        level="tool",
        basis="simulated",
        dataflow="a model of area, energy and delay of CIM chips; the paper's macros are its figures",
        source="X. Peng et al., TCAD 40(11), 2021; figures of its own are those of VGG-8 on analog arrays",
    ),
    Published(
        name="TP-DCIM",
        node=28,
        precision="INT8",
        level="macro",
        basis="not stated",
        dataflow="keys and values stationary, transposable array",
        source="named by arXiv:2604.25317; no figure found",
    ),
    Published(
        name="SysCIM",
        node=28,
        precision="INT8",
        level="system",
        basis="not stated",
        tops_per_w=4.05,
        dataflow="a CIM macro that transposes weights, a systolic array beside it; training of CNNs",
        source="S. Wang et al., TVLSI 2025 (doi 10.1109/TVLSI.2025.3526363), abstract",
    ),
    Published(
        name="Cambricon-LLM",
        level="system",
        basis="not stated",
        other="36.34 tokens per s of a 7B model, 3.44 of a 70B one",
        dataflow="weights stationary in NAND flash that computes, an NPU beside it",
        source="Z. Yu et al., arXiv:2409.15654, abstract: no TOPS/W",
    ),
    Published(
        name="TPU v3",
        node=16,
        precision="BF16",
        level="system",
        basis="measured",
        tops_per_w=0.47,
        other="123 TFLOPS, 123 to 262 W measured",
        dataflow="weights stationary in systolic arrays",
        source="Google Cloud documentation, TPU v3: peak over the largest power; T. Norrie et al., Micro 41(2)",
    ),
    Published(
        name="MulTCIM",
        node=28,
        level="system",
        basis="measured",
        other="2.24 uJ per token of ViLBERT-base",
        dataflow="keys and values stationary, attention, tokens and bits sparse",
        source="F. Tu et al., ISSCC 2023, 16.1, and JSSC 59(1), 2024, abstracts: no TOPS/W",
    ),
    Published(
        name="CIMple",
        node=28,
        precision="INT8",
        level="core",
        basis="not stated",
        tops_per_w=26.1,
        tops_per_mm2=2.31,
        dataflow="keys and values stationary in SRAM of standard cells, softmax by a table",
        source="B. Ahn et al., arXiv:2604.15944, abstract: TOPS/W at 0.85 V, TOPS/mm2 at 1.2 V",
    ),
    Published(
        name="RCW-CIM",
        node=22,
        precision="INT4 weights",
        level="system",
        basis="measured",
        tops_per_w=42.3,
        mhz=100,
        other="3.28 TOPS, 26.87 tokens per s of LLaMA-2-7B",
        dataflow="weights stationary, output columns stationary",
        source="J.-W. Su et al., ISCAS 2026, arXiv:2604.27384, abstract",
    ),
    Published(
        name="HASTILY",
        node=65,
        precision="INT8",
        level="system",
        basis="simulated",
        other="16 to 36 times the TOPS/W of an A40 on BERT",
        dataflow="weights stationary, exponentials looked up in the same arrays",
        source="D. E. Kim et al., arXiv:2502.12344, abstract: no TOPS/W of its own",
    ),
    Published(
        name="BitStopper",
        precision="INT12",
        level="system",
        basis="not stated",
        other="2.4 and 2.1 times the efficiency of Sanger and SOFA",
        dataflow="keys fetched bit by bit, tokens that cannot matter dropped",
        source="H. Wang et al., arXiv:2512.06457, abstract: no TOPS/W of its own",
    ),
    Published(
        name="PLENA",
        precision="MXINT4 weights and cache, MXINT8 activations",
        level="system",
        basis="simulated",
        other="4.04 times the efficiency of an A100, 2.23 times its throughput",
        dataflow="flat systolic array, FlashAttention in hardware",
        source="H. Wu et al., arXiv:2509.09505, abstract; RTL: github.com/AICrossSim/PLENA",
    ),
)


def published_design(name: str) -> Published:
    """The design of that name."""
    return next(each for each in PUBLISHED if each.name == name)


def published_table() -> str:
    """Markdown."""

    def cell(value: object) -> str:
        return "not found" if value is None else f"{value:g}" if isinstance(value, float | int) else str(value)

    rows: list[tuple[str, ...]] = [
        ("design", "level", "basis", "nm", "operands", "TOPS/W", "TOPS/mm2", "MHz", "other", "stationary", "source"),
        ("---", "---", "---", "---:", "---", "---:", "---:", "---:", "---", "---", "---"),
    ]
    for each in PUBLISHED:
        figures = (each.node, each.precision, each.tops_per_w, each.tops_per_mm2, each.mhz)
        cells = ("-" if each.level == "tool" else cell(figure) for figure in figures)
        rows.append((each.name, each.level, each.basis, *cells, each.other, each.dataflow, each.source))
    return markdown(rows)

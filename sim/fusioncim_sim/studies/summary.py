"""The measured figures as the Markdown tables of the README and of docs/cost.md and docs/decisions.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from fusioncim_golden.config import Config
from fusioncim_golden.key_order import ORDERS
from fusioncim_sim.heads.rescales import RULES, rule_name
from fusioncim_sim.markdown import markdown


def models(directory: Path) -> dict[str, Any]:
    """The language models that were measured, by quality file."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("quality*.json"))}


def summary(directory: Path) -> str:
    """Three tables from the JSON files of `fusioncim measure`."""
    engine, accuracy, rescales, chip = (
        json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("engine", "accuracy", "rescales", "chip")
    )
    parts = figures(engine, accuracy, rescales, chip), workloads(chip), moves(rescales["total"])
    return "\n\n".join(parts)


def workloads(chip: dict[str, Any]) -> str:
    """Where the cycles of whole chips go."""
    causes = ("load", "memory", "drain", "imbalance")
    rows = [
        ("job", "chip", "cycles", "use of the multipliers", *(f"idle: {cause}" for cause in causes)),
        ("---", "---", "---:", "---:", *("---:" for _ in causes)),
    ]
    for name, one in chip["workloads"].items():
        heads = f"{one['heads']} heads, {one['kv_heads']} KV, {one['queries']:,} x {one['keys']:,}"
        rows.append(
            (
                f"{name} ({heads}{', 4 jobs' if one['jobs'] > 1 else ''})",
                f"{one['engines']} x {one['rows']} x {one['columns']}",
                f"{one['cycles']:,}",
                f"{one['utilization_percent']} %",
                *(f"{one['idle_percent'][cause]} %" for cause in causes),
            )
        )
    return markdown(rows)


def figures(engine: dict[str, Any], accuracy: dict[str, Any], rescales: dict[str, Any], chip: dict[str, Any]) -> str:
    """What was asked, and what is reached."""
    causal = engine["causal"]
    heads = accuracy["heads"].values()
    sqnr, error, unquantized = (
        sorted(head[key] for head in heads) for key in ("sqnr_db", "max_error_lsb", "sqnr_unquantized_db")
    )
    total, default = rescales["total"], Config()
    rule = rule_name(default.slack, default.seed)
    count = total["rules"][default.schedule][rule]
    below = total["below_exact_in_order_percent"][default.schedule][rule]
    jobs, paper, speed = chip["workloads"], chip["generate"]["paper"], chip["speed"]
    decode = [job["cycles"] / job["read_bus_cycles"] - 1 for name, job in jobs.items() if name.startswith("decode")]
    rows = [
        ("figure", "target", "measured"),
        ("---", "---", "---"),
        *(
            (f"steady state, {label}: cycles per vector and resident word", f"at most {target}", pace(engine, name))
            for name, label, target in (("int8_one_word", "INT8", "8.0"), ("int4_one_word", "INT4", "4.0"))
        ),
        (
            "steady state: cycles in which the multipliers work",
            "at least 99.9 %",
            f"{min(case['mac_cycle_percent'] for case in engine['steady'].values())} %",
        ),
        (
            f"causal head of {causal['queries']} tokens, load and drain included: use of the multipliers",
            "at least 85 %",
            f"{causal['utilization_percent']} % ({causal['cycles']:,} cycles)",
        ),
        (
            f"error of {len(sqnr)} real heads against float64 attention on the same integers",
            "SQNR at least 40 dB, at most 1 LSB of V",
            f"{sqnr[0]} to {sqnr[-1]} dB, at most {error[-1]} LSB",
        ),
        (
            "the same against float64 attention before quantization",
            "",
            f"{unquantized[0]} to {unquantized[-1]} dB",
        ),
        (
            f"{accuracy['flat']['keys']:,} equal keys: sum of the weights, distance from 1",
            "at most 1 %",
            f"{accuracy['flat']['weight_sum_error_percent']} %",
        ),
        (
            "rescales and halvings of these heads, against exact online softmax in order",
            "at least 90 % fewer",
            f"{below} % fewer ({count['rescales']:,} + {count['halvings']:,} against {total['exact']['in_order']:,})",
        ),
        *(
            (f"whole chip, {name}, load and drain included: use of the multipliers", f"at least {target} %", used)
            for name, target in (("causal prefill, grouped", 90), ("full prefill, grouped", 95))
            for used in (f"{jobs[name]['utilization_percent']} %",)
        ),
        (
            "whole chip, decode of 8 tokens: time beyond that of the bytes on the bus",
            "at most 5 %",
            " and ".join(f"{100 * over:.1f} %" for over in decode),
        ),
        (
            "Verilog of the whole `paper` chip",
            "under 5 MB, 60 s, 2 GB",
            f"{paper['bytes']:,} bytes, {paper['modules']} modules, {paper['seconds']:.0f} s, {paper['memory_mb']} MB",
        ),
        (
            "simulation of 4 engines: Verilator against Icarus",
            "at least 20 times the cycles per second",
            f"{speed['ratio']:.0f} times",
        ),
    ]
    return markdown(rows)


def pace(engine: dict[str, Any], name: str) -> str:
    """Cycles per vector and word of a steady state."""
    return f"{engine['steady'][name]['cycles_per_vector_and_word']:.3f}"


def moves(total: dict[str, Any]) -> str:
    """Rescales + halvings of all heads by rule and order."""
    rows = [("reference rule", *(order.replace("_", " ") for order in ORDERS)), ("---", *("---:" for _ in ORDERS))]
    rows.append(("exact online softmax", *(f"{total['exact'][order]:,}" for order in ORDERS)))
    for name in (rule_name(*rule) for rule in RULES):
        counts = (total["rules"][order][name] for order in ORDERS)
        rows.append((name, *(f"{count['rescales']:,} + {count['halvings']:,}" for count in counts)))
    return markdown(rows)


def costs(data: dict[str, Any]) -> str:
    """The cost table of docs/cost.md from cost.json: each corner beside the published figures."""
    corners = ["measured", *data["scaling"]]
    head = [f"{data['library']}, {data['voltage']} V", *data["scaling"], "published, 28 nm"]
    rows = [("part", *head), ("---", *("---:" for _ in head))]
    order = (
        "IP-CIM",
        "OP-CIM",
        "softmax",
        "normalizer",
        "key/value buffer",
        "control",
        "hybrid engine",
        "global buffer",
    )
    for name in (*order, "network", "memory interface", "chip control", "system"):
        row = data["table"][name]
        paper = data["published"].get(name, {})
        cells = [costs_cell(row[corner], name) for corner in corners]
        rows.append((name, *cells, costs_cell(paper, name)))
    return markdown(rows)


def costs_cell(figures: dict[str, float], name: str) -> str:
    """Power, area and what follows from them, as far as there are; an operation of the softmax is no other's."""
    units = {"mw": "mW", "mm2": "mm2", "tops_per_w": "TOPS/W", "tops_per_mm2": "TOPS/mm2"}
    shown = dict(figures)
    if "tops" in shown and "tops_per_w" not in shown:
        shown |= {"tops_per_w": shown["tops"] / shown["mw"] * 1e3, "tops_per_mm2": shown["tops"] / shown["mm2"]}
    keys = [key for key in units if key in shown and not (name == "softmax" and "tops" in key)]
    return ", ".join(f"{float(f'{shown[key]:.3g}'):,g} {units[key]}" for key in keys)


CORNER = "28 nm, 0.72 V"
"""Of the efficiency that was asked for."""


def tokens_of_table(cost: dict[str, Any]) -> int:
    """Length of the causal prefill whose tiles see as many keys in the mean as those of the table."""
    return 2 * int(cost["keys_per_tile"])


def of_table(cost: dict[str, Any]) -> dict[str, float]:
    """What the rows of the table's OP-CIM take by the multiply-accumulate, in fJ: logic and banks."""
    found: dict[str, float] = cost["additions"]["lengths"][str(tokens_of_table(cost))]["fj_per_mac"]
    return found


def more_mw(cost: dict[str, Any], per_mac: Mapping[str, float]) -> dict[str, float]:
    """Power at the library's corner beyond the table's if these rows take so much: logic and banks."""
    rate = cost["table"]["OP-CIM"]["measured"]["tops"] / 2  # 10^12 multiply-accumulates per second
    return {kind: (per_mac[kind] - fj) * rate for kind, fj in of_table(cost).items()}


def tops_per_w(cost: dict[str, Any], per_mac: Mapping[str, float]) -> str:
    """Efficiency of an engine if these rows take so much."""
    engine = cost["table"]["hybrid engine"][CORNER]
    more = sum(more_mw(cost, per_mac).values()) * cost["scaling"][CORNER]["energy"]
    return f"{1000 * engine['tops'] / (engine['mw'] + more):.1f}"


def targets(cost: dict[str, Any]) -> str:
    """What was asked of the hardware, and what is reached, from cost.json."""
    heads = [one["fj_per_mac"] for one in cost["additions"]["heads"].values()]
    mean = {kind: fmean(one[kind] for one in heads) for kind in of_table(cost)}
    here, there = (figures_of(cost, per_mac) for per_mac in (mean, of_table(cost)))
    rows = [
        ("figure", "target", "captured heads", f"language models, {tokens_of_table(cost):,} tokens"),
        ("---", "---", "---", "---"),
        *((name, target, here[name, target], there[name, target]) for name, target in here),
    ]
    return markdown(rows)


def figures_of(cost: dict[str, Any], per_mac: Mapping[str, float]) -> dict[tuple[str, str], str]:
    """Figures that were asked for and their targets, and what they are if the rows of the OP-CIM take so much."""
    table = {name: dict(row["measured"]) for name, row in cost["table"].items()}
    engine, softmax, normalizer = table["hybrid engine"], table["softmax"], table["normalizer"]
    gmacs = table["IP-CIM"]["tops"] / 2 * 1e3  # 10^9 per second, of one macro
    more = more_mw(cost, per_mac)
    dynamic = engine["logic_mw"] + engine["bank_mw"]
    overhead = cost["overhead_percent"] * dynamic / (dynamic + sum(more.values()))
    for row in (table["OP-CIM"], engine):
        row["mw"] += sum(more.values())
        row["bank_mw"] += more["banks"]

    def share(figure: str) -> str:
        return f"{100 * (softmax[figure] + normalizer[figure]) / engine[figure]:.1f} %"

    def fj(name: str) -> str:
        row = table[name]
        return f"{(row['mw'] - row['bank_mw']) / gmacs * 1e3:.0f}, {row['mw'] / gmacs * 1e3:.0f}"

    return {
        ("IP-CIM logic, um2 per MAC/cycle", "400"): f"{table['IP-CIM']['um2_per_mac_per_cycle']:.0f}",
        ("whole engine without banks, um2 per 2,048 MAC/cycle", "900"): f"{2 * engine['um2_per_mac_per_cycle']:.0f}",
        ("softmax for 16 scores per cycle, um2", "30,000"): f"{softmax['logic_mm2'] * 1e6:,.0f}",
        ("softmax and normalizer, share of the engine's logic area", "5 %"): share("logic_mm2"),
        ("softmax and normalizer, share of the engine's energy", "5 %"): share("mw"),
        ("IP-CIM, fJ per MAC, leakage included, without and with banks", "200"): fj("IP-CIM"),
        ("OP-CIM, fJ per MAC, the same", "150"): fj("OP-CIM"),
        ("control, clock tree stand-in and broadcast, share of the engine's energy", "10 %"): f"{overhead:.1f} %",
        ("engine at 28 nm and 0.72 V, TOPS/W", "25"): tops_per_w(cost, per_mac),
    }


def additions(cost: dict[str, Any]) -> str:
    """What captured heads, and language models by length, add to O, and what that takes, from cost.json."""
    rows = [
        ("heads", "blocks added per eight keys", "logic, fJ per MAC", "banks, fJ per MAC", "engine, TOPS/W"),
        ("---", *["---:"] * 4),
    ]
    found = cost["additions"]
    lengths = {f"language models, {int(n):,} tokens": found["lengths"][n] for n in sorted(found["lengths"], key=int)}
    for name, one in {**found["heads"], **lengths}.items():
        per_mac = one["fj_per_mac"]
        cells = f"{per_mac['logic']:.0f}", f"{per_mac['banks']:.0f}", tops_per_w(cost, per_mac)
        rows.append((name, f"{8 * one['per_key']:.2f}", *cells))
    return markdown(rows)


def clocks(timing: dict[str, Any]) -> str:
    """The chips of all presets against the clock, from timing.json."""
    rows = [
        ("chip", "shortest period, ns", "highest clock, MHz", "banks, ns", "slowest module"),
        ("---", "---:", "---:", "---:", "---"),
    ]
    for name, one in timing["presets"].items():
        figures = f"{one['shortest_ns']:.3f}", f"{one['frequency_mhz']:.0f}", f"{one['bank_ns']:.3f}"
        rows.append((f"`{name}`", *figures, f"`{one['slowest']}`"))
    return markdown(rows)


RESOURCES = {
    "logic cells": ("ICESTORM_LC", "TRELLIS_COMB"),
    "block RAM": ("ICESTORM_RAM", "DP16KD"),
    "multipliers": ("ICESTORM_DSP", "MULT18X18D"),
}
"""Of the iCE40 and the ECP5."""


def boards(fpga: dict[str, Any]) -> str:
    """Bitstreams by board, from fpga.json."""
    head = ("board", "device", "engine", *RESOURCES, "clock, MHz", "reached", "peak GOPS", "processor time")
    rows = [head, ("---", "---", "---", *("---:" for _ in head[3:]))]
    for name, one in fpga["boards"].items():
        config = one["config"]
        engine = f"{config['rows']} x {config['columns']}, words {config['words']}, rank {config['update_rank']}"
        used = [next(one["used"][kind] for kind in kinds if kind in one["used"]) for kinds in RESOURCES.values()]
        cells = [f"{each['used']:,} of {each['available']:,}" for each in used]
        speed = f"{one['clock_mhz']:g}", f"{one['reached_mhz']:g}", f"{one['peak_gops']:g}"
        rows.append((f"`{name}`", one["device"], engine, *cells, *speed, f"{sum(one['cpu_s'].values()):.0f} s"))
    return markdown(rows)


CHOICES = {
    "op_cim_um2_per_mac_per_cycle": "OP-CIM um2 per MAC/cycle",
    "op_cim_banks_um2_per_mac_per_cycle": "its banks",
    "softmax_lane_um2": "softmax lane um2",
    "writes_per_element_and_key": "writes per element and key",
    "moves_below_exact_percent": "moves fewer, %",
    "worst_sqnr_db": "SQNR dB",
    "worst_error_lsb": "largest error LSB",
}
"""Columns of a table of alternatives."""


def choice_rows(choices: dict[str, Any], name: str) -> str:
    """The alternatives of one parameter, from choices.json; where they need it with a wider accumulator."""
    default = choices["default"]
    rows = [(name, *CHOICES.values()), ("---:", *("---:" for _ in CHOICES))]
    for value, one in sorted(choices["alternatives"][name].items(), key=lambda item: int(item[0])):
        label = f"**{value}**" if value == str(default[name]) else value
        if name != "accumulator_bits" and one["accumulator_bits"] != default["accumulator_bits"]:
            label += f" ({one['accumulator_bits']} bits)"
        rows.append((label, *(f"{one[key]:,}" for key in CHOICES)))
    return markdown(rows)


BANK_KINDS = {"sram": "macro", "sram, compiled": "alone", "latches": "latches", "flops": "flip-flops"}


def bank_rows(banks: dict[str, Any]) -> str:
    """Banks by what they are made of, from banks.json: um2, pJ, uW."""
    rows = [
        ("bank", "made of", "um2", "read", "write", "idle", "leakage"),
        ("---", "---", "---:", "---:", "---:", "---:", "---:"),
    ]
    for name, shape in banks["shapes"].items():
        for kind, label in BANK_KINDS.items():
            if one := shape.get(kind):
                energies = one["read_fj"], one["write_fj"]
                cells = [f"{one['um2']:,.0f}", *(f"{fj / 1000:.1f}" for fj in energies), f"{one['idle_fj'] / 1000:.2f}"]
                rows.append((name, label, *cells, f"{one['leakage_nw'] / 1000:,.0f}"))
    return markdown(rows)

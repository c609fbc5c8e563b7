"""What else the paper and the article about it claim: ours beside it, or the reason why there is nothing to compare."""

from collections.abc import Mapping
from typing import Any

from fusioncim_sim.studies.reproduction.headlines import fewer_moves
from fusioncim_sim.studies.reproduction.row import ARTICLE, Row
from fusioncim_sim.studies.reproduction.softmax_claims import softmax_rows
from fusioncim_sim.studies.reproduction.traffic_split import SHOWN, saved
from fusioncim_sim.studies.system import CORNER
from fusioncim_sim.system.ablation import MECHANISMS, Rescale
from fusioncim_sim.system.baselines import BASELINES
from fusioncim_sim.system.effort import AGAIN, PARTIAL_SUMS, TRANSPOSES
from fusioncim_sim.system.energy_table import LOW_28NM
from fusioncim_sim.system.published import Published, ratio
from fusioncim_sim.system.published_designs import published_design

MACROS = ("IP-CIM", "OP-CIM")


def claim_rows(
    cost: Mapping[str, Any],
    rescales: Mapping[str, Any],
    system: Mapping[str, Any],
    exponential: Mapping[str, Any],
    split: Mapping[str, Any],
) -> list[Row]:
    """All claims that are no figure of `component_rows` or `headline_rows`."""
    return [
        *_over_others(cost),
        *_waiting(split, system),
        *softmax_rows(cost, exponential),
        *_article(rescales, system),
        *_split(split),
        Row(
            what="analog sums, currents added along rows or columns",
            where=ARTICLE,
            why="the paper's macros are digital, and so are ours: noise, offset and converters of analog sums do not "
            "apply, and every output is exact to the bit",
        ),
    ]


def _chip(cost: Mapping[str, Any], level: str, corner: str) -> Published:
    """This chip at a level: all of it, or its two macros together."""
    if level == "system":
        figures = cost["table"]["system"][corner]
        power, area = figures["tops_per_w"], figures["tops_per_mm2"]
    else:
        parts = [cost["table"][part][corner] for part in MACROS]
        tops, mw, mm2 = (sum(part[figure] for part in parts) for figure in ("tops", "mw", "mm2"))
        power, area = tops / mw * 1e3, tops / mm2
    return Published(
        name="this chip", level=level, basis="simulated", tops_per_w=power, tops_per_mm2=area, dataflow="", source=""
    )


def _over_others(cost: Mapping[str, Any]) -> list[Row]:
    """Table II: ratios over two other chips."""
    found = []
    for name, figure, word, published, slip in (
        ("TranCIM", "tops_per_w", "efficiency", 2.35, ""),
        ("P3ViT", "tops_per_w", "efficiency", 1.26, "29.4 over 23.2 is 1.27"),
        ("TranCIM", "tops_per_mm2", "density", 9.2, ""),
        ("P3ViT", "tops_per_mm2", "density", 2.5, ""),
    ):
        other = published_design(name)
        whole = other.level == "system"
        levels = "both with all that is around the engines" if whole else "our two macros over its macro"
        theirs = "" if whole else ", the paper divides its engines by it"
        found += [
            Row(
                what=f"{word} over {name}" + ("" if corner == CORNER else f", {corner}"),
                where="Table II",
                published=(published, published),
                ours=ratio(_chip(cost, other.level, corner), other, figure),
                why=f"{levels}{theirs}; cells of 45 nm, scaled",
                slip=slip,
            )
            for corner in ((CORNER, LOW_28NM) if figure == "tops_per_w" else (CORNER,))
        ]
    return found


def _waiting(split: Mapping[str, Any], system: Mapping[str, Any]) -> list[Row]:
    """What access to activations takes of the latency."""
    b1 = "cycles beyond those of its computation; it keeps scores inside or outside, whatever is faster"
    b2 = "a bound: a pipeline whose memory is read ahead perfectly"
    found = [
        Row(
            what=f"activation access of the latency of {name}, {tokens:,} tokens",
            where="text",
            published=(60.0, 100.0),
            said="over 60 % above 2,048",
            ours=100 * split[str(tokens)][name]["waiting"],
            unit="%",
            why=why,
        )
        for name, tokens, why in (("B1", SHOWN // 2, b1), ("B1", SHOWN, b1), ("B1", 2 * SHOWN, b1), ("B2", SHOWN, b2))
    ]
    shares = system["runs"][f"llama3-8b, {SHOWN:,}"]["layer"]["shares"]
    found.append(
        Row(
            what=f"activation access of the latency of this chip, {SHOWN:,} tokens",
            where="text",
            ours=100 * shares["memory"],
            unit="%",
            why="engine-cycles that wait for keys, values or queries",
        )
    )
    return found


def _article(rescales: Mapping[str, Any], system: Mapping[str, Any]) -> list[Row]:
    """What the article says beyond the paper."""
    layer = system["baselines"][str(SHOWN)]
    return [
        Row(
            what="nonlinear overhead less: moves of a row's reference",
            where=ARTICLE,
            published=(60.0, 100.0),
            said="over 60 % less",
            ours=fewer_moves(rescales),
            unit="%",
            why="captured heads, against exact online softmax in order; a move is a shift here",
        ),
        *(
            Row(
                what=f"use of the bandwidth over {name}'s, {SHOWN:,} tokens",
                where=ARTICLE,
                published=(2.0, 2.0),
                said="nearly doubled",
                ours=layer[name]["memory_bytes"] / layer["ours"]["memory_bytes"],
                why="the same attention per byte of memory; the article does not say against what",
            )
            for name in BASELINES
        ),
        *_shares(system),
    ]


def _shares(system: Mapping[str, Any]) -> list[Row]:
    """What each of the three mechanisms saves of the energy that all of them save."""
    shares = system["ablation"][str(SHOWN)][Rescale.STALLS]["shares"]["energy"]
    published = {"pipeline": 45.0, "dataflow": 35.0, "pattern": 20.0}
    return [
        Row(
            what=f"of the energy saved against B1, {SHOWN:,} tokens: {name}",
            where=ARTICLE,
            published=(published[name], published[name]),
            ours=100 * shares[name],
            unit="%",
            why="the mean over all orders in which the three could be added, where a moved reference stalls",
        )
        for name in MECHANISMS
    ]


def _split(split: Mapping[str, Any]) -> list[Row]:
    """What the bytes are that are saved on chip."""
    return [
        Row(
            what=f"of the on-chip bytes saved against {name}, {SHOWN:,} tokens: {kind}",
            where="figure of on-chip access",
            ours=100 * saved(split[str(SHOWN)], name, "buffer")[kind],
            unit="%",
            why="the paper names the causes and not their parts; see the table below",
        )
        for name in BASELINES
        for kind in (AGAIN, TRANSPOSES, PARTIAL_SUMS)
    ]

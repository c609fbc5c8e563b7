"""The tables that weigh what a configuration costs against what a language model loses by it."""

from collections.abc import Mapping, Sequence

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.preset_candidates import CANDIDATES, NAMES, PAPER, candidate
from fusioncim_sim.studies.quality.bounds import FEWER, interval_of_share, lost_of, verdict
from fusioncim_sim.studies.quality.tables import CHIP_ORDER, percent, row_of, words
from fusioncim_sim.studies.study import Stored

COSTS = (
    ("op_cim_um2_per_mac_per_cycle", "op_cim_banks_um2_per_mac_per_cycle"),
    ("softmax_lane_um2",),
    ("writes_per_element_and_key",),
)
"""Area of a row of OP-CIM with its banks, area of a softmax lane, writes to O: each a sum."""


def _sum(cost: Mapping[str, float], keys: Sequence[str]) -> float:
    return sum(cost[key] for key in keys)


def alone_table(quality: Stored, parameters: Stored) -> str:
    """Changes to the preset: what they cost, as far as parameters.json has measured it, and what they lose."""
    base = parameters["alternatives"]["update_rank"][str(quality["config"]["update_rank"])]
    none = quality["alone"]["none"]["none"]
    rows: list[tuple[str, ...]] = [
        (
            "changed",
            "OP-CIM row",
            "lane",
            "writes",
            "difference of mean losses, nats",
            "KL, nats",
            "same token",
            "surely lost",
        ),
        ("---", "---:", "---:", "---:", "---:", "---:", "---:", "---"),
        ("**nothing**", "1.00", "1.00", "1.00", *row_of(none), verdict(lost_of(none, -1))),
    ]
    for parameter, values in quality["alone"].items():
        for value, one in sorted(values.items(), key=lambda item: (int(item[0]) if item[0].isdigit() else 0, item[0])):
            if parameter != "none":
                cost = parameters["alternatives"].get(parameter, {}).get(value)
                ratios = (f"{_sum(cost, keys) / _sum(base, keys):.2f}" if cost else "" for keys in COSTS)
                name = f"`{parameter}` {value.replace('_', ' ').lower()}"
                rows.append((name, *ratios, *row_of(one), verdict(lost_of(one, -1))))
    return markdown(rows)


def candidates_table(models: Mapping[str, Stored], parameters: Stored) -> str:
    """The candidates for the preset by what they cost, and what each lacks."""
    candidates, lost = parameters["candidates"], models["quality"]["candidates"]
    orders = models["quality"]["patterns"]["default"]["schedule"], CHIP_ORDER
    rows = [
        (
            "/".join(f"`{name}`" for name in NAMES),
            "um2 per MAC/cycle",
            "writes per key",
            "difference of mean losses, nats",
            "same token",
            *(
                f"rescales, {data['model'].split('-')[0]}: {words(order)}"
                for data in models.values()
                for order in orders
            ),
            "worst captured head, dB",
            "beyond its bound",
        ),
        ("---", *("---:" for _ in range(2 * len(models) + 5)), "---"),
    ]
    cost = {
        name: (round(one["um2_per_mac_per_cycle"]), float(one["writes_per_element_and_key"]))
        for name, one in candidates.items()
    }
    for name in sorted(cost, key=lambda name: cost[name]):
        rule = f"slack {CANDIDATES[name][NAMES.index('slack')]}"
        rules = [data["patterns"]["total"]["rules"][order] for data in models.values() for order in orders]
        fewer = [one[rule]["below_exact_in_order_percent"] for one in rules]
        difference, _, same = row_of(lost[name])
        same = f"{same.removesuffix(' %')} ± {100 * interval_of_share(lost[name]):.2f} %"
        beyond = lost_of(lost[name], 1) + (["rescales"] if min(fewer) < FEWER else [])
        rows.append(
            (
                f"**{name}**" if candidate(name) == PAPER else name,
                f"{cost[name][0]:,}",
                f"{cost[name][1]:.4f}",
                *(difference, same, *(percent(each) for each in fewer), f"{candidates[name]['worst_sqnr_db']:.1f}"),
                verdict(beyond),
            )
        )
    return markdown(rows)

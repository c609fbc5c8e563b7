"""The picture of a placed engine: which unit stands where."""

import io
from math import ceil

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim.asic.placement.placement import Placement
from fusioncim_sim.gates.units import UNITS, unit_of

COLOURS = {
    "IP-CIM rows": "#0072B2",
    "IP-CIM broadcast and correction": "#56B4E9",
    "softmax": "#D55E00",
    "OP-CIM rows": "#009E73",
    "OP-CIM broadcast": "#8FD6BF",
    "key/value buffer": "#E69F00",
    "controller": "#CC79A7",
    "normalizer": "#F0E442",
    "engine": "#222222",
}
"""Okabe & Ito's, which colour-blind readers tell apart; lighter ones for what belongs to the rows."""
FREE, BANK = "#FFFFFF", 0.55
"""Where nothing stands, and how dark banks are beside the cells of their unit."""


def draw_placement(placement: Placement) -> bytes:
    """The picture as PNG."""
    grid = pixels(placement)
    colours = [FREE]
    for unit in UNITS:
        channels = [int(COLOURS[unit][n : n + 2], 16) for n in (1, 3, 5)]
        colours += [COLOURS[unit], "#" + "".join(f"{int(BANK * each):02X}" for each in channels)]
    width, height = placement.width_um, placement.height_um
    figure = Figure(figsize=(9, 9 * height / width * 0.8 + 1.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.imshow(
        grid,
        ListedColormap(colours),
        vmin=0,
        vmax=len(colours) - 1,
        interpolation="nearest",
        origin="lower",
        extent=(0, width, 0, height),
    )
    present = set(np.unique(grid).tolist())
    handles = [
        Patch(facecolor=colours[n], label=f"{unit}{', banks' * (n % 2 == 0)}")
        for unit_number, unit in enumerate(UNITS)
        for n in (2 * unit_number + 1, 2 * unit_number + 2)
        if n in present
    ]
    axes.set_xlabel("um")
    axes.set_ylabel("um")
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": "FusionCIM"})
    return png.getvalue()


def pixels(placement: Placement) -> NDArray[np.uint8]:
    """Number of the colour of every pixel, half as wide as a row is high: 0 free, then cells and banks of each unit."""
    objects, flat = placement.objects, placement.flat
    paths = [*(path for path, _ in flat.cells), *(flat.banks[n][0] for n in objects.bank[objects.cells :].tolist())]
    colour = np.array([2 * UNITS.index(unit_of(path)) + 1 for path in paths]) + (objects.bank >= 0)
    per_row = ROW_UM / SITE_UM
    sites = np.zeros((placement.height, ceil(placement.width / per_row * 2)), np.uint8)
    left = np.rint(placement.x / per_row * 2).astype(int)
    right = np.maximum(np.rint((placement.x + objects.width) / per_row * 2).astype(int), left + 1)
    for n, value in enumerate(colour.tolist()):
        sites[placement.y[n] : placement.y[n] + objects.height[n], left[n] : right[n]] = value
    return sites

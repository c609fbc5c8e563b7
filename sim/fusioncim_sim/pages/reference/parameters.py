"""Every parameter, everything that follows from them, and the presets, as Markdown."""

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.pages.reference.cells import cell, table
from fusioncim_sim.screen.info import derived, holder, meanings


def parameters() -> str:
    """A row per parameter: its default, the values of the presets, its meaning."""
    defaults = ChipConfig().as_dict()
    presets = [each.as_dict() for each in PRESETS.values()]
    rows = [
        (f"`{name}`", cell(f"{defaults[name]}"), *(cell(f"{each[name]}") for each in presets), cell(meaning))
        for name, meaning in meanings(ChipConfig()).items()
    ]
    return table(["parameter", "default", *(f"`{name}`" for name in PRESETS), "meaning"], rows)


def widths() -> str:
    """A row per figure that follows from the parameters: the values of the presets, its meaning."""
    rows = [
        (f"`{name}`", *(_shown(getattr(holder(each, name), name)) for each in PRESETS.values()), cell(meaning))
        for name, meaning in derived(ChipConfig()).items()
    ]
    return table(["follows", *(f"`{name}`" for name in PRESETS), "meaning"], rows)


def _shown(value: object) -> str:
    return f"{len(value)} entries" if isinstance(value, tuple) else cell(f"{value:g}")

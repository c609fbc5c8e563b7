"""An engine mapped and placed."""

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import Flat, flatten
from fusioncim.asic.placement.floor_plan import place_design
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.placer import require_placer
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.engine.engine import Engine
from fusioncim_golden.config import Config


def mapped_engine(config: Config, library: Library, jobs: int) -> tuple[Design, Flat]:
    """Map an engine: its modules, and all of it without them. Errors: cells of another node than the banks'."""
    library.require_node_of_banks()
    design = synthesize(Engine(config), library, jobs=jobs)
    return design, flatten({name: design.netlist(name) for name in design.order}, design.top)


def engine_placement(config: Config, library: Library, jobs: int) -> Placement:
    """Map an engine and place it."""
    require_placer()
    design, flat = mapped_engine(config, library, jobs)
    return place_design({name: design.netlist(name) for name in design.order}, flat, library, jobs=jobs)

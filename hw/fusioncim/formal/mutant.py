"""A fault put into the RTL on purpose, so that a proof is seen to fail."""

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Mutant:
    """A function of the RTL with some of its text exchanged.

    Members:
        target: the function, as `module:Class.method` or `module:function` below `fusioncim`.
        old: text that stands in it once.
        new: what stands there instead.
    """

    target: str
    old: str
    new: str

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The RTL has the fault until this ends."""
        path, _, name = self.target.partition(":")
        module = import_module(f"fusioncim.{path}")
        *outer, name = name.split(".")
        owner = getattr(module, outer[0]) if outer else module
        whole = getattr(owner, name)
        source = textwrap.dedent(inspect.getsource(whole))
        if (found := source.count(self.old)) != 1:
            raise ValueError(f"the text of a mutant must stand in {self.target} once, not {found} times: {self.old}")
        made: dict[str, object] = {}
        exec(compile(source.replace(self.old, self.new), module.__file__ or path, "exec"), vars(module), made)
        setattr(owner, name, made[name])
        try:
            yield
        finally:
            setattr(owner, name, whole)


@contextmanager
def constant(name: str, value: int) -> Iterator[None]:
    """A constant of the RTL, `module:NAME` below `fusioncim`, has another value until this ends."""
    path, _, name = name.partition(":")
    module = import_module(f"fusioncim.{path}")
    usual = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, usual)

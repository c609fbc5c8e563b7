"""A row of the OP-CIM into which all choices go, to be compared with that of the engine. No chip has it."""

from amaranth.hdl import Signal, Value

from fusioncim.engine.op_cim import OpCimRow


class OpenRow(OpCimRow):
    """What `OpCimRow` does, with choices that move in the row also where it adds nothing."""

    def _held(self, active: Signal) -> Value:
        return self.command.choice.as_value()

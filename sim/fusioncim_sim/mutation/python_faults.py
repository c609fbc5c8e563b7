"""Small faults in a Python module: an operator or a number is another one.

Not changed are types, texts and what is raised: a message has no bits.
"""

import ast
from dataclasses import dataclass
from typing import Any

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
"""What stands for an operator."""
TYPES = ("annotation", "returns")
"""Members of a node that hold a type."""


@dataclass(frozen=True)
class PythonFault:
    """A fault.

    Members:
        line: where it is.
        old, new: what stands there, and with the fault.
    """

    line: int
    old: str
    new: str


class _Faults(ast.NodeTransformer):
    """Numbers the faults of a tree, and puts one of them in.

    chosen: its number, from 0 on; without one the tree stays.
    """

    def __init__(self, chosen: int | None = None) -> None:
        self.chosen = chosen
        self.found: list[PythonFault] = []

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Raise | ast.JoinedStr):
            return node
        types = {name: getattr(node, name) for name in TYPES if hasattr(node, name)}
        for name in types:
            setattr(node, name, None)
        super().generic_visit(node)
        for name, kept in types.items():
            setattr(node, name, kept)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._either(node, ast.BinOp(node.left, _other(node.op), node.right))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        return self._either(node, ast.BoolOp(_other(node.op), node.values))

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        result: ast.AST = node
        for n, op in enumerate(node.ops):
            ops = [*node.ops[:n], _other(op), *node.ops[n + 1 :]]
            changed = self._either(node, ast.Compare(node.left, ops, node.comparators))
            result = changed if changed is not node else result
        return result

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return self._either(node, node.operand) if isinstance(node.op, ast.Not | ast.USub | ast.Invert) else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            return self._either(node, ast.Constant(not node.value))
        return self._either(node, ast.Constant(node.value + 1)) if isinstance(node.value, int) else node

    def _either(self, node: ast.expr, other: ast.expr) -> ast.AST:
        """The other one where it is chosen, if it is another one."""
        old, new = ast.unparse(node), ast.unparse(other)
        if old == new:
            return node
        self.found.append(PythonFault(node.lineno, old, new))
        return ast.copy_location(other, node) if len(self.found) - 1 == self.chosen else node


def _other(op: ast.AST) -> Any:
    return OPERATORS.get(type(op), type(op))()


def faults_of(text: str) -> list[PythonFault]:
    """All faults of a module."""
    faults = _Faults()
    faults.visit(ast.parse(text))
    return faults.found


def with_fault(text: str, number: int) -> str:
    """The module with one of its faults."""
    tree = _Faults(number).visit(ast.parse(text))
    return ast.unparse(ast.fix_missing_locations(tree))

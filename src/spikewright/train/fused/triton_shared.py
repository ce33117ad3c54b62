"""What statements have in common, calculated once: value numbering of straight-line code.

Derivatives repeat whole expressions. A compiler would find that out; for Triton's compiler and its interpreter shorter
text is less work.

Source
------
Cocke and Schwartz, "Programming languages and their compilers", 1970 (value numbering).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence

Line = Callable[[ast.expr, ast.expr], list[str]]
"""(target, value) -> the lines of an assignment."""


def shared(statements: Sequence[ast.Assign], line: Line) -> list[str]:
    """Return the lines of assignments, after each value that is needed twice has been given a name."""
    return _Numbers(statements).lines(line)


class _Numbers:
    def __init__(self, statements: Sequence[ast.Assign]) -> None:
        self.statements = statements
        self.table: dict[tuple[object, ...], int] = {}
        self.of_name: dict[str, int] = {}
        self.of_node: dict[int, int] = {}
        self.uses: Counter[int] = Counter()
        self.holder: dict[int, str] = {}
        names = Counter(t.id for s in statements for t in s.targets if isinstance(t, ast.Name))
        self.final = {name for name, count in names.items() if count == 1}

    def lines(self, line: Line) -> list[str]:
        for statement in self.statements:
            found = self.number(statement.value)
            self.count(statement.value)
            self.of_name[_name_of(statement.targets[0])] = found
        made: list[str] = []
        for statement in self.statements:
            target, value = statement.targets[0], statement.value
            number = self.of_node[id(value)]
            keeps = isinstance(target, ast.Name) and target.id in self.final
            value = self.rewritten(value, line, made, is_named=keeps)
            made += line(target, value)
            if keeps:
                self.holder.setdefault(number, _name_of(target))
        return made

    def number(self, node: ast.expr) -> int:
        """Return the number of a node's value: the same for the same value."""
        key: tuple[object, ...]
        match node:
            case ast.Name(id=name):
                if name in self.of_name:
                    self.of_node[id(node)] = self.of_name[name]
                    return self.of_name[name]
                key = ("name", name)
            case ast.Constant(value=value):
                key = ("constant", type(value), value)
            case ast.Attribute(value=inner, attr=attribute):
                key = ("attribute", attribute, self.number(inner))
            case ast.Call(func=function, args=arguments):
                key = ("call", self.number(function), *map(self.number, arguments))
            case ast.BinOp(left=left, op=op, right=right):
                key = (type(op), self.number(left), self.number(right))
            case ast.UnaryOp(op=op, operand=operand):
                key = (type(op), self.number(operand))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                key = (type(op), self.number(left), self.number(right))
            case _:
                raise TypeError(ast.dump(node))
        found = self.table.setdefault(key, len(self.table))
        self.of_node[id(node)] = found
        return found

    def count(self, node: ast.expr) -> None:
        """Count how often a value is needed, and what it is made of once."""
        if isinstance(node, ast.Name | ast.Constant):
            return
        number = self.of_node[id(node)]
        self.uses[number] += 1
        if self.uses[number] == 1:
            for child in _parts(node):
                self.count(child)

    def rewritten(
        self, node: ast.expr, line: Line, made: list[str], *, is_named: bool = False
    ) -> ast.expr:
        """Return a node with names for shared values; the lines that give them names are added to `made`.

        `is_named` says that the node gets a name anyway.
        """
        if isinstance(node, ast.Name | ast.Constant):
            return node
        number = self.of_node[id(node)]
        if number in self.holder:
            return ast.Name(self.holder[number], ast.Load())

        def inner(child: ast.expr) -> ast.expr:
            return self.rewritten(child, line, made)

        found: ast.expr
        match node:
            case ast.Attribute(value=value, attr=attribute):
                return ast.Attribute(inner(value), attribute, ast.Load())
            case ast.Call(func=function, args=arguments):
                found = ast.Call(inner(function), [inner(a) for a in arguments], [])
            case ast.BinOp(left=left, op=op, right=right):
                found = ast.BinOp(inner(left), op, inner(right))
            case ast.UnaryOp(op=op, operand=operand):
                found = ast.UnaryOp(op, inner(operand))
            case ast.Compare(left=left, ops=ops, comparators=[right]):
                found = ast.Compare(inner(left), ops, [inner(right)])
            case _:
                raise TypeError(ast.dump(node))
        if is_named or self.uses[number] < 2:
            return found
        name = f"_shared_{len(self.holder)}"
        self.holder[number] = name
        made += line(ast.Name(name, ast.Store()), found)
        return ast.Name(name, ast.Load())


def _parts(node: ast.expr) -> list[ast.expr]:
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _name_of(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else f"{ast.unparse(target)} stored"

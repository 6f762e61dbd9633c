"""Expressions of profiles: arithmetic over the fields of one message, and nothing else.

``simpleeval`` walks the tree of an expression that was parsed once and checked against a short list
of what may stand in it. There are no attributes, subscripts, strings that grow, loops or names
beside the fields and :data:`FUNCTIONS`, and no operation makes a number of more than 64 bits grow
without bound, so an expression ends after as many steps as it has characters.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any, cast

from simpleeval import InvalidExpression, SimpleEval

from madang.sense.devices import paths
from madang.sense.message import Uplink

LONGEST = 500
"""Characters of an expression."""

DEEPEST = 30
"""How deep its parts may lie in one another."""

_MOST_DIGITS = 15


def _round(value: float, digits: int = 0) -> float:
    if not isinstance(digits, int) or abs(digits) > _MOST_DIGITS:
        raise ValueError(f"round keeps {_MOST_DIGITS} digits at most")
    return round(float(value), digits)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": _round,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "atan2": math.atan2,
    "hypot": math.hypot,
    "radians": math.radians,
    "degrees": math.degrees,
}
VALUE = "value"
"""The name under which an expression finds what is at the path of its attribute."""

_LARGEST_POWER = 64
_LARGEST_SHIFT = 64
_LARGEST = 2**64


def _number(value: object) -> Any:
    if isinstance(value, (int, float)) and abs(value) <= 1e300:
        return value
    raise ValueError(f"{str(value)[:40]!r} is no number to calculate with")


def _calculating(work: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return an operation that takes numbers only, for text and lists grow under + and *."""

    def calculate(left: object, right: object) -> Any:
        return _number(work(_number(left), _number(right)))

    return calculate


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > _LARGEST_POWER:
        raise ValueError(f"a power of {exponent} is too much; {_LARGEST_POWER} is the most")
    return math.pow(base, exponent)


def _bits(work: Callable[[int, int], int]) -> Callable[[Any, Any], int]:
    def calculate(left: object, right: object) -> int:
        for value in (left, right):
            if not isinstance(value, int) or not 0 <= value < _LARGEST:
                raise ValueError(f"{str(value)[:40]!r} is no whole number of 64 bits")
        return work(cast("int", left), cast("int", right))

    return calculate


def _shift_right(value: int, by: int) -> int:
    return value >> min(by, _LARGEST_SHIFT)


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: _calculating(operator.add),
    ast.Sub: _calculating(operator.sub),
    ast.Mult: _calculating(operator.mul),
    ast.Div: _calculating(operator.truediv),
    ast.FloorDiv: _calculating(operator.floordiv),
    ast.Mod: _calculating(operator.mod),
    ast.Pow: _calculating(_power),
    ast.BitAnd: _bits(operator.and_),
    ast.BitOr: _bits(operator.or_),
    ast.RShift: _bits(_shift_right),
    ast.USub: lambda value: -_number(value),
    ast.UAdd: _number,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
}
_ALLOWED = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Load,
    ast.Constant, ast.And, ast.Or, *_OPERATORS,
)  # fmt: skip


class Expression:
    """An expression, checked and ready.

    Raises:
        ValueError: it is too long or has something in it that no expression may have.
    """

    __slots__ = ("_evaluator", "_getters", "_tree", "reads_value", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        fields: dict[str, str] = {}
        self._tree = _checked(text, fields)
        self.reads_value = fields.pop(VALUE, None) is not None
        self._getters = {name: paths.getter(path) for name, path in fields.items()}
        self._evaluator = SimpleEval(operators=_OPERATORS, functions=FUNCTIONS, names={})

    @property
    def fields(self) -> list[str]:
        """The paths that it reads, beside ``value``."""
        return list(self._getters)

    def of(self, uplink: Uplink, value: Any = None) -> Any:
        """Return what it comes to for a message; None if a field that it names is not there.

        Raises:
            ValueError: it cannot be worked out with these fields.
        """
        names: dict[str, Any] = {VALUE: value} if self.reads_value else {}
        for name, get in self._getters.items():
            found = get(uplink)
            if found is None:
                return None
            names[name] = found
        self._evaluator.names = names
        try:
            return self._evaluator.eval(self.text, previously_parsed=self._tree)
        except (InvalidExpression, ArithmeticError, TypeError, ValueError) as error:
            raise ValueError(f"{self.text!r} cannot be worked out: {error}") from None


def _checked(text: str, fields: dict[str, str]) -> ast.expr:
    """Return the tree of an expression; put the path of every field into ``fields`` by its name."""
    if len(text) > LONGEST:
        raise ValueError(f"an expression has {LONGEST} characters at most, not {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"{text!r} is no expression; expected one such as (value - 32) / 1.8"
        ) from None
    tree = _Fields(fields).visit(tree)
    _check(tree, 1)
    return cast("ast.expr", tree)


class _Fields(ast.NodeTransformer):
    """Turns ``data.sensors[0]`` into one name, so that no attribute is ever looked up."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._field(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._chain(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self._chain(node)

    def _chain(self, node: ast.Attribute | ast.Subscript) -> ast.AST:
        root: ast.AST = node
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        if not isinstance(root, ast.Name):
            raise ValueError(f"{ast.unparse(node)[:80]} is no field; expected one such as a.b[0]")
        return self._field(ast.unparse(node).replace("'", '"'))

    def _field(self, path: str) -> ast.Name:
        paths.steps(path)
        self._fields[path] = path
        return ast.Name(path, ast.Load())


def _check(node: ast.AST, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError(f"an expression is {DEEPEST} levels deep at most")
    if not isinstance(node, _ALLOWED):
        raise ValueError(
            f"{type(node).__name__} cannot stand in an expression; it has numbers, fields,"
            " + - * / // % ** & | >>, comparisons, and, or, not, if else, and functions"
        )
    if isinstance(node, ast.Call):
        _check_call(node)
        children: list[ast.AST] = list(node.args)
    else:
        children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float, str, bool)):
        raise ValueError(f"{node.value!r} cannot stand in an expression")
    for child in children:
        _check(child, depth + 1)


def _check_call(node: ast.Call) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in FUNCTIONS or node.keywords:
        raise ValueError(f"{name} is no function here; there are {', '.join(FUNCTIONS)}")

"""Expressions and paths of profiles: they calculate, and nothing else."""

from __future__ import annotations

import ast
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.devices import paths
from madang.sense.devices.expressions import FUNCTIONS, LONGEST, Expression
from madang.sense.message import Uplink

FIELDS: dict[str, Any] = {
    "a": 3, "b": 2.5, "name": "x" * 50, "list": [1, 2], "deep": {"x": [{"y": 7}]}, "big": 2**64 - 1,
}  # fmt: skip


def result(text: str, **fields: Any) -> Any:
    return Expression(text).of(Uplink("d", FIELDS | fields))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a + b * 2", 8.0),
        ("-a ** 2", -9.0),
        ("deep.x[0].y - 1", 6),
        ("max(list) if a >= 3 and not b == 1 else 0", 2),
        ("(a & 1) + (12 >> 2) + (4 | 1)", 9),
        ("a // 2 + 7 % 4", 4),
        ("1 < a < 5", True),
        ("round(10 / 3, 2)", 3.33),
        ("hypot(a, 4) + sqrt(4) + abs(-1)", 8.0),
        ("degrees(atan2(1, 1))", 45.0),
        ("name == 'x' or a", 3),
    ],
)
def test_an_expression_calculates_with_the_fields(text: str, wanted: object) -> None:
    assert result(text) == pytest.approx(wanted)


def test_it_comes_to_nothing_if_a_field_is_not_there() -> None:
    assert result("a + missing") is None
    assert result("deep.x[5].y") is None


@pytest.mark.parametrize(
    "text",
    [
        "", "a +", "a; b", "a = 1", "lambda: 1", "[1, 2]", "{'a': 1}", "(1, 2)", "f'{a}'",
        "__import__('os')", "open('/etc/passwd')", "eval('1')", "a.__class__()", "().__class__",
        "[x for x in list]", "print(a)", "round(number=1)", "max(*list)", "a if b", "a @ b",
        "a << 60", "~a", "a ^ b", "a is b", "a in list", "b'x'", "1j", "None", "...",
        "(lambda x: x)(1)", "a := 1", "await a", "yield", "x[a]", "x[1:2]", "x[-1]", "a\n+b\nc",
        "a" * (LONGEST + 1), "(" * 40 + "a" + ")" * 40 + "+" + "-" * 40 + "a",
    ],
)  # fmt: skip
def test_nothing_else_can_stand_in_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9 ** 9 ** 9", "name * 1000000", "name + name", "list * 9", "10 ** 400",
        "round(a, -1000000000)", "round(a, 1000000000)", "exp(9999)", "sqrt(-1)", "1 / 0", "a % 0",
        "floor(name)", "'%1000000000d' % a", "big * big * 1e300", "a >> 99999999999999999999999",
        "log(0)", "(0 - 8) ** 0.5", "max(a)", "max(1, 2, list)", "-name",
    ],
)  # fmt: skip
def test_what_cannot_be_worked_out_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be worked out"):
        result(text)


def test_what_a_device_sends_is_never_read_as_an_expression() -> None:
    with pytest.raises(ValueError, match="no number"):
        result("a + 1", a="__import__('os').system('true')")


number = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6))
operand = st.one_of(st.sampled_from(["a", "b", "deep.x[0].y", "value"]), number.map(repr))
expression = st.recursive(
    operand,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(st.sampled_from(["abs", "floor", "sqrt", "exp"]), inner).map(
            lambda parts: f"{parts[0]}({parts[1]})"
        ),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} > 0 else {p[2]})"),
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(expression)
def test_every_expression_ends_with_a_number_or_a_reason(text: str) -> None:
    if len(text) > LONGEST:
        return
    try:
        found = Expression(text).of(Uplink("d", FIELDS), 5)
    except ValueError:
        found = 0
    assert isinstance(found, int | float)
    assert isinstance(found, bool) or found == 0 or math.log10(abs(found)) < 310


@settings(max_examples=200)
@given(st.text(alphabet="ab()[]{}._'\"+-*/%<>=!&|^~@:,;# \n0159eglnsimpotrfxyu", max_size=40))
def test_no_text_makes_anything_but_an_expression_or_an_error(text: str) -> None:
    try:
        made = Expression(text)
    except ValueError:
        return
    tree = ast.parse(text.strip(), mode="eval")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert all(isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS for call in calls)
    try:
        made.of(Uplink("d", FIELDS))
    except ValueError:
        return


step = st.one_of(st.integers(0, 99), st.text(min_size=1, max_size=6).filter(lambda s: '"' not in s))


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=5).filter(lambda s: '"' not in s), st.lists(step, max_size=5))
def test_a_path_finds_what_was_put_there(first: str, rest: list[int | str]) -> None:
    value: Any = "found"
    for one in reversed(rest):
        value = [None] * one + [value] if isinstance(one, int) else {one: value}
    written = f'["{first}"]' + "".join(
        f"[{one}]" if isinstance(one, int) else f'["{one}"]' for one in rest
    )
    assert paths.getter(written)(Uplink("d", {first: value})) == "found"


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "[0]", "a[x]", 'a["', "a]", "$x"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        paths.getter(text)

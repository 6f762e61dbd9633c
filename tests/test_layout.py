"""The rules of layout a reader relies on: who may import whom, how long, how errors are caught."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "madang"
MODULES = sorted(SOURCE.rglob("*.py"))  # asked about all at once: a test each would take a minute

# From the ground up. A module may import its own package and whatever lies below it.
LAYERS: list[set[str]] = [
    {"model", "query"},
    {"store", "lake", "bus"},
    {"hub"},
    {"trust"},
    {"services"},
    {"act", "twin", "share", "engage", "manage"},
    {"sense", "web"},
    {"api"},
    {"demo", "doctor", "ending", "lock", "logs", "supervisor"},
    {"handover"},
    {"app"},
    {"commands"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PURE = LAYERS[0]  # these two may use one another
# Beside the layers: all but the pure may read them.
SETTINGS = {"settings", "settings_moved", "settings_sources", "settings_types"}

# Libraries that compute and do nothing else: all that model and query may use.
PURE_LIBRARIES = {
    "__future__", "bisect", "collections", "copy", "dataclasses", "datetime", "decimal", "enum",
    "functools", "heapq", "itertools", "json", "math", "operator", "re", "string", "types",
    "typing", "unicodedata", "urllib.parse",
    "orjson", "pyproj", "shapely",
}  # fmt: skip

LONGEST = 400
EXCUSE = "Long because"  # begins the docstring sentence that says why a module is longer

# Where catching everything is right, and why. Handlers that end by raising again need no entry.
BROAD_EXCEPTS = {
    "act/follow.py:_handled": "one entity: logs it, raises an alarm and tries again later",
    "api/lane.py:answer": "the outermost border of a request: logs it and answers 500",
    "hub/history.py:_run": "moves history in the background: raises an alarm and tries again",
    "hub/relay.py:_run": "puts changes on the stream: raises an alarm and tries again",
    "hub/matching.py:match": "a faulty subscription is logged and counted, and stops no write",
    "hub/writer.py:_apply": "one operation's fault: logs it and fails that operation alone",
    "hub/writer.py:_group": "the writer's outermost loop: logs it and fails the group that waits",
    "hub/delivery.py:_run": "a queue's outermost loop: logs it and tries again later",
    "sense/edge/crossing.py:_run": "its outermost loop: logs it and warns again in a second",
    "sense/feeds/schedule.py:_pulled": "ends one reading of a feed: logs it and tries again later",
    "services/replay/replays.py:_run": "a replay's outermost loop: logs it, and the replay says so",
    "services/services.py:installed": "a faulty package is logged and left out; others go on",
    "store/worker.py:_work": "the thread's outermost loop: hands it to whoever waits for the call",
    "trust/audit.py:_write": "the log's outermost loop: logs it and refuses the group that waits",
    "trust/identities.py:_upkeep": "its outermost loop: logs it and tries again in a minute",
    "sense/pasts.py:_write": "late values on their way into history: whoever waits is told",
    "sense/files/drop.py:_run": "its outermost loop: logs it and looks again in two seconds",
    "twin/branch/trials.py:_run": "a trial's outermost loop: logs it, and the trial says so",
    "api/eager.py:__call__": "steps a handler's coroutine; the error goes to what answers for it",
}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    gc.disable()  # of the million nodes none is garbage, and to look for it takes as long again
    try:
        return ast.parse(path.read_text("utf-8"))
    finally:
        gc.enable()


@cache
def imports(path: Path) -> list[str]:
    """Return the absolute name of everything a module imports, wherever in it."""
    return list(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    package = ("madang", *path.relative_to(SOURCE).parent.parts)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def layer_of(module: str) -> str:
    """Return the first name below ``madang``, or nothing for what is not ours."""
    parts = module.split(".")
    return parts[1] if parts[0] == "madang" and len(parts) > 1 else ""


def is_pure(module: str) -> bool:
    return any(module == pure or module.startswith(f"{pure}.") for pure in PURE_LIBRARIES)


def own_layer(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


PURE_MODULES = [path for path in MODULES if own_layer(path) in PURE]


def allowed_of(path: Path) -> set[str]:
    """Return what of ours a module may import."""
    own = own_layer(path)
    if own == "__init__":
        return set()
    if own in SETTINGS:
        return {"model", *SETTINGS}
    assert own in RANK, f"{own} has no place in LAYERS yet"
    below = {name for name, rank in RANK.items() if rank < RANK[own]}
    return {own, *below} | (PURE if own in PURE else {*SETTINGS, "__version__"})


def test_a_module_imports_only_what_lies_below_it() -> None:
    wrong = [
        f"{name_of(path)} must not import {name}"
        for path in MODULES
        for name in imports(path)
        if layer_of(name) and layer_of(name) not in allowed_of(path)
    ]
    assert wrong == []


def test_model_and_query_use_only_libraries_that_compute() -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in PURE_MODULES
        for name in imports(path)
        if not layer_of(name) and not is_pure(name)
    ]
    assert wrong == []


def test_model_and_query_never_look_at_the_clock() -> None:
    wrong = [
        f"{name_of(path)} reads the clock in line {node.lineno}"
        for path in PURE_MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("now", "utcnow", "today")
        and isinstance(node.value, ast.Name)
        and node.value.id in ("datetime", "date")
    ]
    assert wrong == []


def test_a_module_says_what_it_is_about() -> None:
    silent = [
        name_of(path)
        for path in MODULES
        if path.read_text("utf-8").strip() and not ast.get_docstring(tree_of(path))
    ]
    assert silent == [], "these have no docstring"


def test_a_long_module_says_why() -> None:
    long = [
        f"{name_of(path)}: {length} lines"
        for path in MODULES
        if (length := len(path.read_text("utf-8").splitlines())) > LONGEST
        and EXCUSE not in (ast.get_docstring(tree_of(path)) or "")
    ]
    assert long == [], f"make these two rooms, or say '{EXCUSE} ...' in their docstring"


def catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException") for kind in caught
    )


def suppresses_everything(node: ast.Call) -> bool:
    called = (
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    )
    return called == "suppress" and any(
        isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")
        for kind in node.args
    )


def raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise)


def broad_excepts(path: Path) -> Iterator[str]:
    """Yield ``module:function`` for every place that catches everything and goes on."""
    waiting: list[tuple[ast.AST, str]] = [(tree_of(path), "")]
    while waiting:
        node, inside = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = node.name
        elif isinstance(node, ast.ExceptHandler):
            if catches_everything(node) and not raises_again(node):
                yield f"{name_of(path)}:{inside}"
        elif isinstance(node, ast.Call) and suppresses_everything(node):
            yield f"{name_of(path)}:{inside}"
        waiting += [(child, inside) for child in ast.iter_child_nodes(node)]


def test_everything_is_caught_only_where_there_is_a_reason() -> None:
    found = {place for path in MODULES for place in broad_excepts(path)}
    assert found - BROAD_EXCEPTS.keys() == set(), (
        "name the error, or give the reason in BROAD_EXCEPTS"
    )
    assert BROAD_EXCEPTS.keys() - found == set(), "these no longer catch everything"

"""Routes of the direct lane: path templates to handlers, found by walking the segments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from madang.api.http import Response
from madang.model.errors import BadRequestData
from madang.trust.actions import EntityAction, TenantAction

Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. ``{name}`` in the path is one segment, given to the handler."""

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    actions: tuple[EntityAction | TenantAction, ...]
    """One who may take none of these is turned away at the door."""
    makes_tenant: bool = False
    """A create operation: an unknown tenant is made rather than refused."""


class UnsupportedMethod(Exception):
    """The path exists but not with this method."""

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__()
        self.allowed = sorted(allowed)


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """Finds the route of a request; a slash at the end of a path makes no difference."""

    def __init__(self, prefix: str, routes: Iterable[Route]) -> None:
        self._skip = len(prefix)
        self._root = _Node()
        for route in routes:
            self._add(route, route.path.removeprefix(prefix))

    def _add(self, route: Route, path: str) -> None:
        node = self._root
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.literal.setdefault(segment, _Node())
        node.routes[route.method] = route
        if route.method == "GET":
            node.routes["HEAD"] = route

    def find(self, method: str, path: str) -> tuple[Route, list[str]] | None:
        """Return the route and the values of its placeholders; None for an unknown path.

        Raises:
            UnsupportedMethod: the path is known with other methods only.
            BadRequestData: a placeholder's value is no name.
        """
        node: _Node = self._root
        values: list[str] = []
        segments = path[self._skip :].split("/")
        if segments[-1] == "" and len(segments) > 1:
            segments.pop()
        for segment in segments:
            child = node.literal.get(segment)
            if child is None:
                child = node.any
                if child is None:
                    return None
                values.append(_decoded(segment) if "%" in segment or "." in segment else segment)
            node = child
        route = node.routes.get(method)
        if route is None:
            if not node.routes:
                return None
            raise UnsupportedMethod(node.routes)
        return route, values


def _decoded(segment: str) -> Any:
    try:
        text = unquote(segment, errors="strict") if "%" in segment else segment
    except UnicodeDecodeError:
        raise BadRequestData(f"{segment!r} in the path is no UTF-8 once decoded") from None
    if text in (".", "..") or unquote(text) in (".", ".."):
        raise BadRequestData(f"{segment!r} in the path is no valid name")
    return text

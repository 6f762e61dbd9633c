"""Items of a large JSON text one after the other, without reading it as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

_CHUNK = 1 << 18
_LONGEST_ITEM = 64 * 1024 * 1024
_BLANKS = " \t\r\n"


class BrokenJson(ValueError):
    """The text is no JSON from here on."""


def json_items(stream: IO[str]) -> Iterator[Any]:
    """Yield the items of an array, the features of a collection, or values one by one.

    Raises:
        BrokenJson: the text is no JSON from some point on; the items before it were yielded.
    """
    text = _Text(stream)
    while text.peek():
        if text.peek() == "[":
            yield from text.array()
        elif text.peek() == "{":
            yield from _object_items(text)
        else:
            raise BrokenJson(f"expected a JSON object or array, not {text.peek()!r}")


def _object_items(text: _Text) -> Iterator[Any]:
    """Yield an object, or instead of it the features that are its member ``features``."""
    members: dict[str, Any] = {}
    is_collection = False
    text.take("{")
    while text.peek() != "}":
        if members or is_collection:
            text.take(",")
        key = text.value()
        text.take(":")
        if key == "features" and text.peek() == "[" and "id" not in members:
            is_collection = True
            yield from text.array()
        else:
            members[key] = text.value()
    text.take("}")
    if not is_collection:
        yield members


class _Text:
    """A window on a stream of JSON text that moves on value by value."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._decode = json.JSONDecoder(parse_constant=_refuse).raw_decode

    def peek(self) -> str:
        """Return the next character that is no blank; nothing at the end."""
        while True:
            buffer, at = self._buffer, self._at
            while at < len(buffer) and buffer[at] in _BLANKS:
                at += 1
            self._at = at
            if at < len(buffer) or not self._fill():
                return buffer[at : at + 1]

    def take(self, mark: str) -> None:
        """Move behind a mark that must come next."""
        found = self.peek()
        if found != mark:
            raise BrokenJson(f"expected {mark!r}, not {found or 'the end of the file'!r}")
        self._at += 1

    def array(self) -> Iterator[Any]:
        """Yield the items of the array that comes next."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.peek() == "]":
                break
            self.take(",")
        self.take("]")

    def value(self) -> Any:
        """Return the value that comes next."""
        self.peek()
        while True:
            try:
                found, end = self._decode(self._buffer, self._at)
            except RecursionError:
                raise BrokenJson("it is nested too deeply") from None
            except ValueError as error:
                if self._fill():
                    continue
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                raise BrokenJson(f"is not valid JSON: {reason}") from None
            # A number that touches the end of the window may go on behind it.
            if end == len(self._buffer) and self._fill():
                continue
            self._at = end
            return found

    def _fill(self) -> bool:
        """Read on; the window grows with what it cannot yet decode."""
        rest = self._buffer[self._at :]
        if self._ended or len(rest) > _LONGEST_ITEM:
            return False
        more = self._stream.read(max(_CHUNK, len(rest)))
        self._ended = not more
        self._buffer, self._at = rest + more, 0
        return bool(more)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")

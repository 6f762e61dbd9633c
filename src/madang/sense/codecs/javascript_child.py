"""The process in which decoders run: reads requests from its input, writes answers to its output.

Runs as a script of its own and imports nothing of Madang. A request is the JSON array ``[script,
{bytes, fPort, recvTime}]``, an answer the object ``{data, warnings, errors}`` or ``{fault}``; to
encode, it is ``[script, {data}]`` and ``{bytes, fPort, errors}``. Each comes after its length in 4
bytes, big-endian.
"""

from __future__ import annotations

import json
import resource
import signal
import sys

from quickjs import Context, JSException, StackOverflow  # type: ignore[import-untyped]

TIME_S = 0.2
"""Processor time of the script, as the engine counts it."""
LAST_TIME_S = 0.5
"""Processor time after which the system ends the process, in a function that does not look."""
MEMORY = 16 * 1024 * 1024  # [bytes]
STACK = 256 * 1024  # [bytes]
PROCESS_MEMORY = 512 * 1024 * 1024  # [bytes] of the whole process
LONGEST_RESULT = 64 * 1024  # [characters]

# What scripts change in the objects of the language cannot change this: it takes what it needs
# before they run. Makers' scripts log; there is nobody to read it.
CALL = """
(function () {
  "use strict";
  const { parse, stringify } = JSON;
  const silent = function () {};
  globalThis.console = { log: silent, info: silent, warn: silent, error: silent, debug: silent };
  return function (text) {
    const { bytes, fPort, recvTime, data } = parse(text);
    let result;
    if (data !== undefined) {
      if (typeof encodeDownlink !== "function") {
        return stringify({ fault: "has no function encodeDownlink(input)" });
      }
      result = encodeDownlink({ data, variables: {} });
      if (result === null || typeof result !== "object") {
        return stringify({ fault: "must return an object such as {bytes: [1, 2], fPort: 1}" });
      }
      return stringify({ bytes: result.bytes, fPort: result.fPort, errors: result.errors });
    }
    if (typeof decodeUplink === "function") {
      const time = recvTime === undefined ? new Date() : new Date(recvTime);
      result = decodeUplink({ bytes, fPort, recvTime: time, variables: {} });
    } else if (typeof Decode === "function") {
      result = { data: Decode(fPort, bytes, {}) };
    } else if (typeof Decoder === "function") {
      result = { data: Decoder(bytes, fPort) };
    } else {
      return stringify({
        fault: "has none of the functions decodeUplink(input), Decode(fPort, bytes) and" +
          " Decoder(bytes, port)",
      });
    }
    if (result === null || typeof result !== "object") {
      return stringify({ fault: "must return an object such as {data: {temperature: 21.5}}" });
    }
    return stringify({ data: result.data, warnings: result.warnings, errors: result.errors });
  };
})()
"""


def answer(script: str, text: str) -> str:
    """Run a script on one payload, in a context of its own."""
    context = Context()
    context.set_memory_limit(MEMORY)
    context.set_max_stack_size(STACK)
    context.set_time_limit(TIME_S)
    try:
        call = context.eval(CALL)
        context.eval(script)
        found = call(text)
    except StackOverflow:
        return fault("calls itself without end")
    except JSException as error:
        return fault(what_failed(str(error)))
    if not isinstance(found, str):
        return fault("must return an object such as {data: {temperature: 21.5}}")
    if len(found) > LONGEST_RESULT:
        return fault(f"returned more than {LONGEST_RESULT // 1024} KiB")
    return found


def what_failed(text: str) -> str:
    """Return the engine's error in one line: what, and where in the script."""
    what, _, trace = text.partition("\n")
    if what == "InternalError: interrupted":
        return "took too long"
    if what == "InternalError: out of memory":
        return f"wanted more than {MEMORY // 1024 // 1024} MiB of memory"
    if what == "null":  # thrown by the script, or by an engine without memory for an error
        return f"threw null, perhaps for want of memory ({MEMORY // 1024 // 1024} MiB)"
    first = trace.partition("\n")[0]
    _, found, rest = first.partition("<input>:")
    where = f" in line {rest.split(':')[0]}" if found else ""  # none: in a function of the engine
    return f"failed: {what[:300]}{where}"


def fault(text: str) -> str:
    return json.dumps({"fault": text})


def confine() -> None:
    """Give up what no decoder needs: opening files, making processes, much memory, core dumps."""
    for what, most in (
        (resource.RLIMIT_AS, PROCESS_MEMORY),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    confine()
    while len(head := source.read(4)) == 4:
        script, request = json.loads(source.read(int.from_bytes(head, "big")))
        signal.setitimer(signal.ITIMER_PROF, LAST_TIME_S)
        found = answer(script, json.dumps(request)).encode("utf-8", "replace")
        signal.setitimer(signal.ITIMER_PROF, 0)
        sink.write(len(found).to_bytes(4, "big") + found)
        sink.flush()


if __name__ == "__main__":
    main()

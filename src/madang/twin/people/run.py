"""Work on all residents, a block of 50,000 at a time: here, in processes, or on Ray.

A block is drawn where it is worked on and forgotten there; only what the work returns comes back.
So memory does not grow with the city, and the result does not depend on who worked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar

from madang.model.errors import MadangError
from madang.twin.people.population import Population, blocks, draw
from madang.twin.people.town import Town

Result = TypeVar("Result")
Work = Callable[[Population], Result]
Tell = Callable[[int, int], None]
"""Told of progress: residents done, and how many in all."""


class NoRay(MadangError):
    """Ray was asked for and cannot be used."""


def each(
    town: Town,
    residents: int,
    seed: int,
    work: Work[Result],
    *,
    workers: int = 1,
    ray: str = "",
    tell: Tell = lambda _done, _all: None,
) -> Iterator[Result]:
    """Yield what the work returns for each block of residents.

    Args:
        town: where they live.
        residents: how many.
        seed: of the draws.
        work: a function of a module, or a `partial` of one, so that processes find it.
        workers: processes that share the blocks (1 works here), or blocks at once on Ray.
        ray: address of a Ray cluster instead of processes: ``auto`` for the running one,
            ``local`` to begin one here.
        tell: is told of progress.

    Raises:
        NoRay: Ray is not installed, or is not there.
    """
    sizes = blocks(residents)
    jobs = [(size, seed, number) for number, size in enumerate(sizes)]
    done = 0
    for size, found in zip(sizes, _spread(town, jobs, work, workers, ray), strict=True):
        done += size
        tell(done, residents)
        yield found


def _spread(
    town: Town, jobs: list[tuple[int, int, int]], work: Work[Result], workers: int, ray: str
) -> Iterator[Result]:
    if ray:
        yield from _on_ray(town, jobs, work, workers, ray)
    elif workers > 1 and len(jobs) > 1:
        pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (town,))
        with pool:
            yield from pool.map(partial(_there, work), jobs)
    else:
        for job in jobs:
            yield work(draw(town, *job))


_TOWN: list[Town] = []
"""Of a worker process."""


def _begin(town: Town) -> None:
    _TOWN[:] = [town]


def _there(work: Work[Result], job: tuple[int, int, int]) -> Result:
    return work(draw(_TOWN[0], *job))


def _here(town: Town, work: Work[Result], job: tuple[int, int, int]) -> Result:
    return work(draw(town, *job))


def _on_ray(
    town: Town, jobs: list[tuple[int, int, int]], work: Work[Result], workers: int, address: str
) -> Iterator[Result]:
    from importlib import import_module

    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise NoRay(
            "Ray is not installed here; install it (`pip install ray`), or leave --ray out and say"
            " --workers"
        ) from None
    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise NoRay(f"Ray at {address!r} does not answer: {error}") from None
    there, remote = ray.put(town), ray.remote(_here)
    waiting: deque[Any] = deque()
    for job in jobs:
        waiting.append(remote.remote(there, work, job))
        if len(waiting) >= workers:
            yield ray.get(waiting.popleft())
    for one in waiting:
        yield ray.get(one)

"""The engine of history: a DuckLake, with its catalog beside its files or in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from madang.lake import aggregate, corrections, frames, journal, pasts, states, transfer, upkeep
from madang.lake.catalog import Catalog
from madang.lake.engine import Engine
from madang.lake.files import Files
from madang.lake.questions import (
    Aggregates,
    Difference,
    Figures,
    Hold,
    Instance,
    Kind,
    Logged,
    Method,
    Pasts,
    Period,
    Policy,
    Series,
    Wanted,
)
from madang.lake.seen import SeenFiles
from madang.model.entity import Entity
from madang.query.reach import Reach
from madang.query.tree import Query

if TYPE_CHECKING:
    import duckdb
    import polars

LINK_S = 3_600  # for which another process may read a file: the longest export, and some more


class Reader:
    """What can be asked of history, over all of it or what somebody may see of it."""

    _files: Files | SeenFiles

    def pasts(self, wanted: Wanted) -> Pasts:
        with self._files.reading(wanted.temporal) as cursor:
            return pasts.read(cursor, self._files.kinds, wanted)

    def aggregates(
        self, wanted: Wanted, methods: Sequence[Method], every: Period | None
    ) -> Aggregates:
        with self._files.reading(wanted.temporal) as cursor:
            return aggregate.read(cursor, self._files.kinds, wanted, methods, every)

    def frame(self, series: Series) -> polars.DataFrame:
        with self._files.reading(frames.window_of(series)) as cursor:
            return frames.read(cursor, self._files.kinds, series)

    def state(self, id: str, at: int) -> Entity | None:
        with self._files.reading() as cursor:
            return states.state(cursor, id, at)

    def states(self, query: Query, at: int) -> tuple[list[Entity], int | None, bool]:
        with self._files.reading() as cursor:
            return states.states(cursor, self._files.kinds, query, at)

    def differences(self, query: Query, since: int, until: int) -> Iterator[Difference]:
        with self._files.reading() as cursor:
            yield from states.differences(cursor, self._files.kinds, query, since, until)

    def log(self, after: int, limit: int, upto: int | None = None) -> list[Logged]:
        with self._files.reading() as cursor:
            return journal.log(cursor, after, limit, upto)

    def position(self, at: int) -> int:
        with self._files.reading() as cursor:
            return journal.position(cursor, at)

    def instance(self, entity: str, attribute: str, instance: str) -> Instance | None:
        with self._files.reading() as cursor:
            return corrections.find(cursor, "history", entity, attribute, instance)


class SeenLake(Reader):
    """History as one reader sees it. See :class:`madang.lake.protocol.Readable`."""

    def __init__(self, files: Files, reach: Reach) -> None:
        self._files: SeenFiles = SeenFiles(files, reach)

    def kinds(self) -> list[Kind]:
        self._files.refresh()
        seen = self._files.types()
        found = self._files.kinds.attributes()
        return [k for k in found if k.type in seen and k.attribute not in seen[k.type]]


class DuckLake(Reader):
    """The history of one tenant in one catalog. See :class:`madang.lake.protocol.Lake`."""

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self._files: Files = Files(engine, catalog)

    def seen(self, reach: Reach) -> SeenLake:
        return SeenLake(self._files, reach)

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self._files.reading()

    def links(self, names: Sequence[str]) -> list[str]:
        return self._files.catalog.storage.links(names, LINK_S)

    def kinds(self) -> list[Kind]:
        self._files.refresh()
        return self._files.kinds.attributes()

    def alone(self) -> AbstractContextManager[None]:
        return self._files.catalog.alone()

    def take(self, blocks: Sequence[tuple[int, int, bytes]]) -> None:
        self._files.take(blocks)

    def refresh(self) -> None:
        self._files.refresh()

    @property
    def taken(self) -> int:
        return self._files.taken

    @property
    def drained(self) -> int:
        return self._files.drained

    @property
    def waiting(self) -> int:
        return self._files.waiting

    def drain(self) -> int:
        return self._files.drain()

    def rewind(self, upto: int) -> None:
        self._files.rewind(upto)

    def load(self, source: polars.DataFrame | Path, *, created: int) -> int:
        return corrections.load(self._files, source, created)

    def take_over(self, source: DuckLake, told: transfer.Told) -> int:
        """Copy all of another lake of the same engine, compared; return how many instances it has.

        What was copied already stays, so a copy that was cut off goes on.

        Raises:
            TransferError: there is something else here, or the copy is not like its original.
        """
        return transfer.transfer(source._files, self._files, told)

    def follow(self, had: transfer.Parts, now: DuckLake) -> int:
        """Bring a copy of another lake from an earlier state to a later one, compared.

        Args:
            had: the parts of the other lake when this one was its copy; the files must be there.
            now: the other lake as it is to be copied.

        Returns:
            How many instances it has more.

        Raises:
            TransferError: the copy has not come by what the original has.
        """
        return transfer.follow(had, now._files, self._files)

    def hold_to(self, source: DuckLake) -> int:
        """Compare all of it with another lake; return how many instances they have.

        Raises:
            TransferError: they are not alike.
        """
        return transfer.hold_to(source._files, self._files)

    @property
    def parts(self) -> transfer.Parts:
        """The files that have its instances now, but for what waits to be drained."""
        return transfer.parts(self._files)

    @property
    def followed(self) -> int:
        """The number of the state that :meth:`follow` brought it to; 0 if it was not called yet."""
        return transfer.followed(self._files)

    # --- correcting ---------------------------------------------------------------------------

    def add(self, instances: Sequence[Instance], *, only_news: bool = False) -> None:
        corrections.add(self._files, instances, only_news)

    def change(self, entity: str, attribute: str, instance: str, new: Instance) -> bool:
        return corrections.change(self._files, entity, attribute, instance, new)

    def remove(
        self,
        entity: str,
        attribute: str | None = None,
        *,
        instance: str | None = None,
        datasets: Collection[str | None] | None = None,
    ) -> int:
        return corrections.remove(self._files, entity, attribute, instance, datasets)

    # --- upkeep -------------------------------------------------------------------------------

    def figures(self) -> Figures:
        return upkeep.figures(self._files)

    def maintain(self, *, whole: bool = False) -> None:
        upkeep.maintain(self._files, whole)

    def mend(self) -> int:
        return upkeep.mend(self._files)

    def retain(self, policies: Sequence[Policy], now: int) -> int:
        return upkeep.retain(self._files, policies, now)

    @property
    def holds(self) -> Sequence[Hold]:
        return self._files.holds

    def hold(self, holds: Sequence[Hold]) -> None:
        self._files.holds = tuple(holds)

    def check(self) -> list[str]:
        return upkeep.check(self._files)

    def close(self) -> None:
        self._files.close()

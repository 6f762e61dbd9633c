"""What the hub asks of an engine that keeps the history of one tenant.

What is asked and answered is in :mod:`madang.lake.questions`. Rows come from the store's outbox
(``take``, then ``drain``), from files (``load``) or from the temporal API (``add``, ``change``,
``remove``). Whatever has been taken can be read at once: a read sees what is in the lake's files
together with what was taken and not yet drained, each row exactly once.

Every method blocks and may be called from any thread; :class:`madang.hub.history.History` runs
them beside the event loop. Times are microseconds since 1970-01-01T00:00:00Z, names canonical
(see :mod:`madang.model`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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
from madang.model.entity import Entity
from madang.query.reach import Reach
from madang.query.tree import Query

if TYPE_CHECKING:
    import duckdb
    import polars


class Readable(Protocol):
    """What can be asked of history: all of it, or what somebody may see of it."""

    def pasts(self, wanted: Wanted) -> Pasts:
        """Return the histories of a page of entities, instance by instance."""

    def aggregates(
        self, wanted: Wanted, methods: Sequence[Method], every: Period | None
    ) -> Aggregates:
        """Return aggregates for each period; None is the whole window.

        Periods begin at the window's ``timeAt`` (after, between), else at the first instance.
        """

    def frame(self, series: Series) -> polars.DataFrame:
        """Return values over time as a frame; see :class:`Series`."""

    def state(self, id: str, at: int) -> Entity | None:
        """Return an entity as it was recorded at an instant; None if it did not exist."""

    def states(self, query: Query, at: int) -> tuple[list[Entity], int | None, bool]:
        """Return a page of the entities that matched at an instant, their count, and if more."""

    def differences(self, query: Query, since: int, until: int) -> Iterator[Difference]:
        """Yield the entities that differ between two instants and matched at one of them."""

    def log(self, after: int, limit: int, upto: int | None = None) -> list[Logged]:
        """Return changes in the order of their sequence numbers.

        Args:
            after: the position; changes after this number.
            limit: at most so many.
            upto: no change after this number.
        """

    def position(self, at: int) -> int:
        """Return the number of the last change at or before an instant."""

    def kinds(self) -> list[Kind]:
        """Return what kinds of attributes there are, by type and name: few, and in memory."""

    def instance(self, entity: str, attribute: str, instance: str) -> Instance | None:
        """Return an instance, found by its id."""


class Correctable(Readable, Protocol):
    """History that can be corrected."""

    def add(self, instances: Sequence[Instance], *, only_news: bool = False) -> None:
        """Add instances; one of equal entity, attribute, dataset and ``observedAt`` is replaced.

        With ``only_news`` it stays if it has the same value: what is told again changes nothing,
        neither the numbers of instances nor the log of changes.
        ``seq`` of the given ones is not used: the lake gives each a number of its own.
        """

    def change(self, entity: str, attribute: str, instance: str, new: Instance) -> bool:
        """Replace an instance, found by its id; tell whether it was there."""

    def remove(
        self,
        entity: str,
        attribute: str | None = None,
        *,
        instance: str | None = None,
        datasets: Collection[str | None] | None = None,
    ) -> int:
        """Delete history for good, from the files as well; return how many instances went.

        Args:
            entity: of this entity.
            attribute: of this attribute; None is the whole entity.
            instance: only the instance of this id.
            datasets: only instances with these datasetIds.

        Raises:
            HeldBack: a legal hold covers it.
        """


class Lake(Correctable, Protocol):
    """The history of one tenant."""

    # --- into the lake ------------------------------------------------------------------------

    def take(self, blocks: Sequence[tuple[int, int, bytes]]) -> None:
        """Take blocks of the outbox (see :class:`madang.store.protocol.Block`), in order.

        They can be read from now on, and are in the files only after :meth:`drain`; changes that
        were taken already are passed over.
        """

    def refresh(self) -> None:
        """Take up what other processes have moved into the files or changed in them.

        Raises:
            CatalogAway: the catalog cannot be read.
        """

    @property
    def taken(self) -> int:
        """The highest sequence number taken."""

    @property
    def drained(self) -> int:
        """The highest sequence number in the files."""

    def rewind(self, upto: int) -> None:
        """Forget that changes after a number were drained: others will come under their numbers.

        What they brought stays in history, but leaves the log of changes.
        """

    @property
    def waiting(self) -> int:
        """How many instances were taken and not yet drained."""

    def drain(self) -> int:
        """Move what was taken into the files; return the highest sequence number they hold.

        Raises:
            OSError: the disk is full or broken, or a server away. Nothing was moved, nothing is
                lost.
        """

    def alone(self) -> AbstractContextManager[None]:
        """Keep other processes from changing history, but for drains, while the block runs.

        For who reads history to find out what to add to it.
        """

    def load(self, source: polars.DataFrame | Path, *, created: int) -> int:
        """Append instances in bulk, without any change of state; return how many.

        Args:
            source: a frame, or a Parquet file, with the columns ``entity``, ``type``,
                ``attribute``, ``time`` and one or more of ``number``, ``text``, ``json``; all
                other columns of the table ``history`` may be there.
            created: when they are recorded.

        Raises:
            ValueError: a column is missing or unknown, or a row lacks what it must have.
        """

    # --- reading ------------------------------------------------------------------------------

    def seen(self, reach: Reach) -> Readable:
        """Return history as somebody sees it; see :mod:`madang.lake.seen`."""

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Give a cursor that sees one moment of history for as long as the block runs.

        It has the view ``history`` of all instances (columns as :class:`Instance` has them, with
        ``number``, ``text`` and ``json`` for the value and ``longitude``, ``latitude`` of points).
        It is for SQL of our own: nothing keeps strangers' SQL from what is beside it.
        """

    def links(self, names: Sequence[str]) -> list[str]:
        """Return names under which a process without any of our keys can read the lake's files.

        They are good for the longest export; files stay for ten minutes at least.
        """

    # --- upkeep -------------------------------------------------------------------------------

    def figures(self) -> Figures:
        """Return figures for operators."""

    def maintain(self, *, whole: bool = False) -> None:
        """Merge small files, sort them, forget old snapshots, remove what nothing refers to.

        Args:
            whole: also rewrite large files and end what is deleted in them for good.
        """

    def mend(self) -> int:
        """Remove at once the files that a crash left; return how many. No hub may be running."""

    def retain(self, policies: Sequence[Policy], now: int) -> int:
        """Apply policies; return how many instances went. Holds are heeded."""

    @property
    def holds(self) -> Sequence[Hold]:
        """The legal holds in force."""

    def hold(self, holds: Sequence[Hold]) -> None:
        """Put these legal holds in force, in place of those before."""

    def check(self) -> list[str]:
        """Return what is wrong with catalog and files, one sentence each; empty is sound."""

    def close(self) -> None:
        """Let go of the files."""

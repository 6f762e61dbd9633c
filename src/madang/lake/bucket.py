"""A lake's files as objects of a bucket, in Amazon S3 or a server that speaks as it does.

DuckDB does the work, through its extension httpfs. An object is there as a whole or not at all, and
stays once its upload was answered, so there is nothing to synchronise before a commit. The keys are
in a secret of our engine; processes that answer strangers get links instead.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from madang.lake.signing import link
from madang.lake.storage import MARKER, FilesAway
from madang.lake.window import text

if TYPE_CHECKING:
    import duckdb

    from madang.lake.engine import Engine

SCHEME: Final = "s3://"
_WRITTEN = "madang.txt"
"""An object that every start of a hub writes, to learn whether it may."""
_MISSING = 404
_SETTINGS: Final = {
    # A file is never changed, so what was learnt of it once need not be asked again.
    "enable_http_metadata_cache": "true",
    # A server that hangs is given up after four attempts of so many seconds, not of 30. So that a
    # slow line can upload a part within them, parts have 5 MB instead of 80.
    "http_timeout": "10",
    "s3_uploader_max_filesize": "'50GB'",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server of objects, and who we are there."""

    endpoint: str
    """Such as ``https://s3.example.org``; empty is Amazon's."""
    region: str
    key: str
    secret: str = field(repr=False)

    def address(self, bucket: str) -> tuple[str, str]:
        """Return the address of the server of a bucket, and the path of the bucket there."""
        if self.endpoint:
            return self.endpoint.rstrip("/"), f"/{bucket}"
        return f"https://{bucket}.s3.{self.region}.amazonaws.com", ""


class Bucket:
    """The place of one lake in a bucket. See :class:`madang.lake.storage.Storage`.

    Args:
        home: ``s3://bucket/prefix`` of this lake.
        server: that has the bucket.
    """

    def __init__(self, home: str, server: Server) -> None:
        self.shown = home
        self.path = f"{home}/shared/"
        self._home = home
        self._server = server

    def open(self, engine: Engine, cursor: duckdb.DuckDBPyConnection) -> None:
        engine.require("httpfs")
        for name, value in _SETTINGS.items():
            cursor.execute(f"SET GLOBAL {name} = {value}")
        cursor.execute(self._secret())

    def _secret(self) -> str:
        scheme, _, host = self._server.endpoint.rstrip("/").rpartition("://")
        options = {
            "KEY_ID": text(self._server.key),
            "SECRET": text(self._server.secret),
            "REGION": text(self._server.region),
            "SCOPE": text(f"{self._home}/"),
        }
        if host:
            options |= {"ENDPOINT": text(host), "URL_STYLE": "'path'"}
            options["USE_SSL"] = str(scheme == "https").lower()
        name = f"s3_{hashlib.sha256(self._home.encode()).hexdigest()[:16]}"
        told = ", ".join(f"{option} {value}" for option, value in options.items())
        return f"CREATE OR REPLACE SECRET {name} (TYPE s3, {told})"

    def check(self, engine: Engine) -> None:
        """Make sure that objects can be listed, written and read here.

        Raises:
            FilesAway: they cannot; the text says why.
        """
        import duckdb

        written = text(f"{self._home}/{_WRITTEN}")
        with engine.cursor() as cursor:
            self.open(engine, cursor)
            try:
                # A bucket that is not there is no error to who asks for one object.
                cursor.execute(f"SELECT count(*) FROM glob({text(f'{self._home}/{MARKER}*')})")
                cursor.execute(
                    f"COPY (SELECT 'Madang keeps its history here.') TO {written}"
                    " (FORMAT csv, HEADER false)"
                )
                cursor.execute(f"SELECT content FROM read_text({written})")
            except duckdb.Error as error:
                raise FilesAway(f"{self.shown} cannot be used: {plain(error)}") from error

    def id(self, cursor: duckdb.DuckDBPyConnection) -> str:
        import duckdb

        marker = text(f"{self._home}/{MARKER}")
        try:
            row = cursor.execute(f"SELECT content FROM read_text({marker})").fetchone()
        except duckdb.HTTPException as error:
            if _status(error) == _MISSING:
                return ""
            raise
        return "" if row is None else str(row[0]).strip()

    def claim(self, cursor: duckdb.DuckDBPyConnection, id: str) -> None:
        marker = text(f"{self._home}/{MARKER}")
        cursor.execute(f"COPY (SELECT {text(id)}) TO {marker} (FORMAT csv, HEADER false)")

    def disown(self, cursor: duckdb.DuckDBPyConnection) -> None:
        # DuckDB cannot remove them here; who has the place next finds files that nothing names.
        cursor.execute(
            f"COPY (SELECT NULL::VARCHAR) TO {text(f'{self._home}/{MARKER}')}"
            " (FORMAT csv, HEADER false)"
        )

    def has_files(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        files = text(f"{self._home}/**/*.parquet")
        row = cursor.execute(f"SELECT count(*) FROM glob({files})").fetchone()
        return row is not None and row[0] > 0

    def sync(self) -> None:
        """What was uploaded is there."""

    def sizes(self, cursor: duckdb.DuckDBPyConnection, names: Sequence[str]) -> dict[str, int]:
        rows = cursor.execute(
            f"SELECT filename, size FROM read_blob({text(f'{self.path}**')})"
        ).fetchall()
        return {str(name): int(size) for name, size in rows}

    def links(self, names: Sequence[str], seconds: int) -> list[str]:
        server, now = self._server, time.time()
        bucket = self._home.removeprefix(SCHEME).partition("/")[0]
        address, path = server.address(bucket)
        return [
            link(
                address,
                path + name.removeprefix(f"{SCHEME}{bucket}"),
                (server.key, server.secret),
                server.region,
                seconds,
                now,
            )
            for name in names
        ]

    def is_away(self, error: duckdb.Error) -> bool:
        import duckdb

        return isinstance(error, duckdb.IOException) and _status(error) != _MISSING


def _status(error: duckdb.Error) -> int:
    """Return what the server answered; 0 if it did not, or it is no matter of a server."""
    return int(getattr(error, "status_code", 0) or 0)


def plain(error: duckdb.Error) -> str:
    """Return what an error says in one line, with what is most often the reason."""
    lines = (line.strip() for line in str(error).partition("\nLINE ")[0].splitlines())
    said = " ".join([line for line in lines if line][:2])
    hint = {
        403: "history_key or history_secret is wrong, or the key may not do this here",
        _MISSING: "there is no such bucket",
    }.get(_status(error), "history_endpoint does not answer as a server of S3 does")
    return f"{hint} ({said})"

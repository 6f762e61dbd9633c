"""A Compose file as the tests read it, and its containers on this machine."""

from __future__ import annotations

import pwd
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.contract.cluster import programs
from tests.deploy.containers import Container
from tests.deploy.unit import ROOT
from tests.e2e.nats_mqtt import understood

COMPOSE = ROOT / "deploy" / "compose"
FILE = COMPOSE / "several-hubs" / "compose.yaml"
_IMAGE = COMPOSE / "Containerfile"
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*))?\}")


def read(file: Path = FILE, **variables: str) -> dict[str, Any]:
    """Return a Compose file with variables put into its values."""

    def put(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[2] or "")

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        return _VARIABLE.sub(put, value) if isinstance(value, str) else value

    found = filled(yaml.safe_load(file.read_text("utf-8")))
    assert isinstance(found, dict)
    return found


class Image:
    """What the Containerfile says of a hub's container."""

    def __init__(self) -> None:
        lines = _IMAGE.read_text("utf-8").replace("\\\n", " ").rpartition("\nFROM ")[2].splitlines()
        said = {line.split()[0]: line for line in lines if line.strip()}
        words = shlex.split(said["ENV"])[1:]
        self.environment = dict(word.split("=", 1) for word in words)
        self.environment.pop("PATH")
        self.user = int(said["USER"].split()[1])
        self.folder = said["WORKDIR"].split()[1]
        self.entrypoint = yaml.safe_load(said["ENTRYPOINT"].split(maxsplit=1)[1])
        self.health = yaml.safe_load(said["HEALTHCHECK"].partition(" CMD ")[2])


class Composed:
    """Makes containers of what a Compose file says.

    Args:
        compose: as :func:`read` gives it.
        folder: for volumes.
        secrets: the words in its files of secrets, by name.
    """

    def __init__(self, compose: dict[str, Any], folder: Path, secrets: dict[str, str]) -> None:
        self._compose = compose
        self._folder = folder
        self._image = Image()
        (folder / "secrets").mkdir(mode=0o700)
        for name in compose["secrets"]:
            (folder / "secrets" / name).write_text(secrets[name] + "\n")

    @property
    def hubs(self) -> list[str]:
        """Return the names of the hubs, in the order in which they stand in the file."""
        services = self._compose["services"].items()
        return [name for name, service in services if service["image"] == "madang"]

    def container(self, name: str) -> Container:
        service = self._compose["services"][name]
        mounts = self._mounts(service)
        networks = service["networks"]
        address = networks.get("hubs") if isinstance(networks, dict) else None
        found = Container(
            name=name,
            command=[*service.get("entrypoint", []), *service.get("command", [])],
            environment=service.get("environment", {}),
            mounts=mounts,
            health=service.get("healthcheck", {}).get("test", [""])[1:],
            writable=service.get("tmpfs", []) if service.get("read_only") else None,
            address=int(address["ipv4_address"].rpartition(".")[2]) if address else 0,
        )
        if name in self.hubs:
            self._as_a_hub(found)
        elif name == "postgres":
            self._as_postgres(found)
        elif "user" in service:
            user, group = map(int, service["user"].split(":"))
            found.user = (user, group)
        for place in found.mounts.values():
            if place.parent == self._folder:
                shutil.chown(place, *found.user)
        return found

    def _mounts(self, service: dict[str, Any]) -> dict[str, Path]:
        mounts = {}
        for line in service.get("volumes", []):
            volume, place = line.split(":")
            assert volume in self._compose["volumes"]
            mounts[place] = self._folder / volume
            mounts[place].mkdir(exist_ok=True)
        for secret in service.get("secrets", []):
            mounts[f"/run/secrets/{secret}"] = self._folder / "secrets" / secret
        for config in service.get("configs", []):
            file = FILE.parent / self._compose["configs"][config["source"]]["file"]
            mounts[config["target"]] = self._for_debian(file)
        return mounts

    def _for_debian(self, file: Path) -> Path:
        """Return a configuration that Debian's NATS reads, which may be older than the image's."""
        if file.name != "nats.conf":
            return file
        kept = self._folder / file.name
        kept.write_text(understood(file.read_text("utf-8")))
        return kept

    def _as_a_hub(self, found: Container) -> None:
        image = self._image
        found.command = [*image.entrypoint, *found.command]
        found.environment = {**image.environment, **found.environment}
        found.user, found.folder, found.health = (image.user,) * 2, image.folder, image.health

    def _as_postgres(self, found: Container) -> None:
        """Do what the image's own entrypoint does at its first start, and start the server."""
        server, said = programs(), found.environment
        assert server is not None
        account = pwd.getpwnam("postgres")
        found.user = (account.pw_uid, account.pw_gid)
        (place,) = (place for place in found.mounts if not place.startswith("/run/secrets/"))
        data, name = f"{place}/data", said["POSTGRES_USER"]
        make = (
            f"{server}/initdb --pgdata={data} --username={name} --auth-local=trust --encoding=UTF8"
            f" --auth-host=scram-sha-256 --pwfile={said['POSTGRES_PASSWORD_FILE']} --no-sync"
            f" && echo 'host all all all scram-sha-256' >> {data}/pg_hba.conf"
        )
        start = f"{server}/postgres -D {data} -c listen_addresses='*' -k /tmp"
        found.command = ["/bin/sh", "-c", f"test -d {data} || {{ {make}; }} && exec {start}"]
        found.environment = {}

"""Makes the package of a new service, which works and is tested, for somebody to make it theirs."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from madang.model.errors import MadangError

_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
_FILES = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "init.py.txt": "src/{name}/__init__.py",
    "service.py.txt": "src/{name}/service.py",
    "test_service.py.txt": "tests/test_{name}.py",
    "page.md.txt": "docs/{name}.md",
}
"""Files of the new package, by those that they are made of."""


class NotMade(MadangError):
    """The package cannot be made; the text says why."""


def scaffold(name: str, folder: Path) -> list[Path]:
    """Make the package of a service; return its files.

    Args:
        name: of the service, such as ``container_fire``.
        folder: for the package; it is made.

    Raises:
        NotMade: the name will not do, or something is in the folder already.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise NotMade(f"a service is named like 'parking' or 'container_fire', not {name!r}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotMade(f"{folder} is not empty; name another folder with --directory")
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "title": name.replace("_", " ").capitalize(),
    }
    made = []
    try:
        for source, target in _FILES.items():
            text = files("madang.services").joinpath("scaffold_files", source).read_text("utf-8")
            file = folder / target.format(name=name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template(text).substitute(words), "utf-8")
            made.append(file)
        (folder / "src" / name / "py.typed").touch()
    except OSError as error:
        raise NotMade(f"{folder} cannot be written: {error.strerror or error}") from error
    return made

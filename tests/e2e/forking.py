"""What the process that hubs and commands are forked from does once; each would do it again.

It is half of what a hub does until it is ready, and most of what a short command does.
"""

from __future__ import annotations

import gc
from functools import cache

import typer.main

from madang.cli import app
from madang.trust import book
from madang.web.pages import Pages

typer.main.get_command = cache(typer.main.get_command)
typer.main.get_command(app)
book.shipped()
Pages()
# What is there is not looked through again in any of them, so its memory stays shared.
gc.collect()
gc.freeze()

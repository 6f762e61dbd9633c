"""What starts a process that serves."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from madang.settings import Settings


def serve(settings: Settings) -> None:
    """Import the whole of Madang and run it until it is told to stop."""
    # What is imported stays. To look through it for garbage while it grows takes a tenth of the
    # start; the collector is switched on again when all is there (madang.app.tune).
    gc.disable()
    from madang import app

    app.serve(settings)

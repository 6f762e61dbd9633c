"""The parts of one running process that the API speaks with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from madang.act.commands.commands import Commands
    from madang.act.notify.notices import Notices
    from madang.api.system import System
    from madang.hub.hub import Hub
    from madang.sense.sense import Sense
    from madang.services.replay.replays import Replays
    from madang.services.services import Services
    from madang.settings import Settings
    from madang.trust.trust import Trust
    from madang.twin.branch.branches import Branches
    from madang.twin.branch.trials import Trials


@dataclass(frozen=True, slots=True)
class Parts:
    """See the module; ``app.py`` makes and closes them."""

    settings: Settings
    trust: Trust
    hub: Hub
    sense: Sense
    services: Services
    commands: Commands
    replays: Replays
    trials: Trials
    branches: Branches
    notices: Notices
    system: System

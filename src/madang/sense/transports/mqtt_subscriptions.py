"""Who gets a message: those who subscribed, and of those who share a subscription one.

Source: OASIS MQTT 5.0 section 4.8.2; clients of 3.1.1 may share in the same way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

from madang.sense.transports.mqtt_packets import Wanted
from madang.sense.transports.mqtt_relay import Relayed
from madang.sense.transports.mqtt_sessions import WINDOW, Session
from madang.sense.transports.mqtt_topics import Tree, shared_of

Able = Callable[[Session, Wanted], bool]


class Receiver(NamedTuple):
    """Somebody who gets a message."""

    session: Session
    wanted: Wanted
    share: str = ""
    """The shared subscription that it comes from."""


class _Share:
    """Those who share a subscription; each message is for one of them, by turns."""

    def __init__(self) -> None:
        self.members: deque[tuple[Session, Wanted]] = deque()

    def add(self, session: Session, wanted: Wanted) -> None:
        self.remove(session)
        self.members.append((session, wanted))

    def remove(self, session: Session) -> None:
        self.members = deque(one for one in self.members if one[0] is not session)

    def choose(self, message: Relayed) -> tuple[Session, Wanted] | None:
        """Return whose turn it is: one who keeps up, else one who is there, else one who waits."""
        return (
            self._next(lambda one, _: _sees(one, message) and one.waiting < WINDOW)
            or self._next(lambda one, _: _sees(one, message))
            or self._next(lambda one, wanted: _keeps(one, wanted, message))
        )

    def _next(self, is_able: Able) -> tuple[Session, Wanted] | None:
        for _ in range(len(self.members)):
            if not self.members:  # one whose key is no longer good has gone with that
                break
            self.members.rotate(-1)
            chosen = self.members[-1]
            if is_able(*chosen):
                return chosen
        return None


class Subscriptions:
    """All of a broker."""

    def __init__(self) -> None:
        self._tree: Tree[Wanted | _Share] = Tree()
        self._shares: dict[str, _Share] = {}

    def add(self, session: Session, wanted: Wanted) -> None:
        """Add a subscription; replaces what the session has at the filter."""
        name, filter = shared_of(wanted.filter)
        if not name:
            self._tree.add(filter, session, wanted)
            return
        share = self._shares.setdefault(wanted.filter, _Share())
        share.add(session, wanted)
        self._tree.add(filter, name, share)

    def remove(self, session: Session, filter: str) -> None:
        """Remove what a session has at a filter."""
        name, inner = shared_of(filter)
        if not name:
            self._tree.remove(inner, session)
        elif (share := self._shares.get(filter)) is not None:
            share.remove(session)
            if not share.members:
                del self._shares[filter]
                self._tree.remove(inner, name)

    def receivers(self, message: Relayed, sender: Session | None) -> Iterator[Receiver]:
        """Yield who gets a message, each once with the highest QoS it asked for.

        A subscription that is shared is one of its own: who has another one as well gets both.
        """
        if not self._tree.size:
            return
        best: dict[Session, Wanted] = {}
        for owner, found in self._tree.match(message.topic):
            if isinstance(found, _Share):
                if (chosen := found.choose(message)) is not None:
                    yield Receiver(*chosen, chosen[1].filter)
                continue
            session = cast("Session", owner)
            if found.no_local and session is sender:
                continue
            known = best.get(session)
            if known is None or known.qos < found.qos:
                best[session] = found
        for session, wanted in best.items():
            yield Receiver(session, wanted)

    def again(self, share: str, message: Relayed) -> Receiver | None:
        """Return who gets a message instead of one whose session has ended."""
        known = self._shares.get(share)
        chosen = None if known is None else known.choose(message)
        return None if chosen is None else Receiver(*chosen, share)

    def is_heard(self, topic: str) -> bool:
        """Tell whether somebody is connected who would get a message to a topic."""
        for owner, found in self._tree.match(topic):
            sessions = (
                [one for one, _ in found.members]
                if isinstance(found, _Share)
                else [cast("Session", owner)]
            )
            if any(one.peer is not None and one.peer.may_see(topic) for one in sessions):
                return True
        return False


def _sees(session: Session, message: Relayed) -> bool:
    return session.peer is not None and session.peer.may_see(message.topic)


def _keeps(session: Session, wanted: Wanted, message: Relayed) -> bool:
    """Tell whether a message can wait for a client that is away."""
    is_kept = session.peer is None and session.lasts_s > 0
    return is_kept and min(wanted.qos, message.qos) > 0 and session.reads(message.topic)

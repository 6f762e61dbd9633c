"""What can go wrong with a feed, as its schedule may act on it."""

from __future__ import annotations

from madang.model.errors import BadRequestData, MadangError


class BadFeed(BadRequestData):
    """The declaration of a feed cannot be used; a person must mend it."""


class FeedError(MadangError):
    """A feed could not be read this time."""


class Unavailable(FeedError):
    """The publisher does not answer, or not now; trying later may help."""

    def __init__(self, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        """How long the publisher asks us to wait. [s]"""


class Refused(FeedError):
    """The publisher refuses, or we must not ask there; trying again changes nothing."""


class Unusable(FeedError):
    """What came is not what this kind of feed is made of."""

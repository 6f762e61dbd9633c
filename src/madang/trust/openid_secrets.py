"""Client secrets of OpenID providers that are kept sealed in the store, not in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from madang.model.errors import BadRequestData
from madang.trust.records import Records

if TYPE_CHECKING:
    from madang.trust.secrets import Secrets

LONGEST: Final = 2000  # [characters]


class ProviderSecrets:
    """Client secrets by provider, encrypted at rest."""

    def __init__(self, records: Records, secrets: Secrets) -> None:
        self._records = records
        self._secrets = secrets

    async def of(self, provider: str) -> str:
        """Return a provider's client secret, empty if there is none here."""
        kept = await self._records.get("secret", _about(provider))
        return self._secrets.unseal(kept["sealed"], _about(provider)).decode() if kept else ""

    async def put(self, provider: str, secret: str) -> None:
        """Keep a provider's client secret in place of an older one."""
        if not 0 < len(secret) <= LONGEST:
            raise BadRequestData(f"clientSecret must be a text of 1 to {LONGEST} characters")
        sealed = self._secrets.seal(secret.encode(), _about(provider))
        await self._records.put("secret", _about(provider), {"sealed": sealed})


def _about(provider: str) -> str:
    return f"openid.{provider}"

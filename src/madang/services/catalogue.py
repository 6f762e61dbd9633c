"""The catalogue of city services, under the categories of the Smart Cities Index.

Source of the categories: Smart Cities Index Report, Yonsei University ISi, 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from madang.services.service import Category, Service, Text

CATEGORIES: dict[Category, Text] = {
    "transport": Text("Transport", "교통"),
    "cultureAndTourism": Text("Culture and tourism", "문화·관광"),
    "administration": Text("Administration", "행정"),
    "socialAndHealth": Text("Social affairs and health", "복지·보건"),
    "environmentAndEnergy": Text("Environment and energy", "환경·에너지"),
    "business": Text("Business", "기업·경제"),
    "education": Text("Education", "교육"),
    "housing": Text("Housing", "주거"),
    "safety": Text("Safety", "안전"),
    "demographics": Text("Demographics", "인구"),
    "other": Text("Other", "기타"),
}
"""In the order of the report, as people call them."""

Here = Callable[[str], bool | None]
"""Tells whether a city has entities of a type; None if who asks may not know."""
State = Callable[[Service], str | None]
"""Tells how a service goes in a city; None if who asks may not know."""


def catalogue(services: Iterable[Service], here: Here, state: State) -> list[dict[str, Any]]:
    """Return all categories, each with its services, as JSON."""
    by_category: dict[Category, list[Service]] = {name: [] for name in CATEGORIES}
    for service in services:
        by_category[service.category].append(service)
    return [
        {
            "name": name,
            "title": both(title),
            "services": [
                _entry(one, here, state)
                for one in sorted(by_category[name], key=lambda one: one.title.en)
            ],
        }
        for name, title in CATEGORIES.items()
    ]


def both(text: Text) -> dict[str, str]:
    """Return a text in all its languages."""
    return {"en": text.en, "ko": text.ko}


def _entry(service: Service, here: Here, state: State) -> dict[str, Any]:
    return {
        "name": service.name,
        "title": both(service.title),
        "purpose": both(service.purpose),
        "version": service.version,
        "state": state(service),
        "needs": [{"type": one, "here": here(one)} for one in service.needs],
        "gives": list(service.gives),
        "commands": list(service.commands),
        "improves": [
            {"name": one.name, "title": both(one.title), "unit": one.unit, "better": one.better}
            for one in service.indicators.values()
        ],
        "operator": None if service.operator is None else both(service.operator),
        "cost": None if service.cost is None else both(service.cost),
    }

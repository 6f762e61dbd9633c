"""Settings: one table of names, defaults and meanings.

Where their values come from is :mod:`madang.settings_sources`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from madang.settings_types import (
    DAY_S,
    EdgeRules,
    FeedKeys,
    Hosts,
    Mail,
    MqttBrokers,
    Origins,
    Providers,
    Role,
    Sms,
    is_loopback,
)

TABLES = frozenset({"openid", "feed_keys", "edge_rules", "mqtt_brokers", "mail", "sms"})
"""Settings that are tables, which may hold secrets; a file writes them whole."""

MIB = 1024 * 1024


def _setting(default: Any, group: str, description: str, **bounds: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"group": group}, **bounds)


_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[\w.-]+)*/?", re.ASCII)


class Settings(BaseModel):
    """All settings of one hub. Names end in their unit where a number could be misread."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = _setting(
        Path("madang-data"), "Place", "Folder that holds everything; nothing outside it is written."
    )
    store: str = _setting(
        "",
        "Place",
        "Where the state is: empty is below `data`, or where `moved.json` there says that `madang"
        " move` took it; `postgres://user@host/database` is PostgreSQL 15 or newer with PostGIS,"
        " for all of the state but the audit log.",
    )
    store_password: SecretStr = _setting(
        SecretStr(""),
        "Place",
        "Password of `store`; empty is what libpq finds (`PGPASSWORD`, ...).",
    )
    bus: str = _setting(
        "",
        "Place",
        "NATS servers, `nats://user@host:4222,...`, by which hubs that share the `store` on"
        " PostgreSQL tell one another of changes; empty is one hub alone.",
        pattern=r"^((nats|tls)://[^\s,]+(,(nats|tls)://[^\s,]+)*)?$",
    )
    bus_password: SecretStr = _setting(
        SecretStr(""), "Place", "Password of the user that `bus` names."
    )
    role: Role = _setting(
        "all",
        "Place",
        "Which of the work that one of several hubs does for all this one takes on: `all`; `api`,"
        " none; `worker`, notifications, services and history; `sense`, devices and feeds. Any"
        " but `all` needs `bus`.",
    )
    host: str = _setting("127.0.0.1", "Place", "Address to listen on.", min_length=1)
    port: int = _setting(8080, "Place", "Port of HTTP; 0 takes a free one.", ge=0, le=65535)
    mqtt_port: int = _setting(
        1883, "Place", "Port of the embedded MQTT broker; 0 takes a free one.", ge=0, le=65535
    )
    mqtt_tls_port: int = _setting(
        8883,
        "Place",
        "Port of the broker with `tls_certificate`: then it speaks MQTT over TLS only, and here.",
        ge=0,
        le=65535,
    )
    mqtt_broker: bool = _setting(True, "Place", "Whether the embedded MQTT broker listens.")
    mqtt_brokers: MqttBrokers = _setting(
        {}, "Place", "Other MQTT brokers to take messages from, as `[mqtt_brokers.<name>]`."
    )
    open: bool = _setting(
        False, "Place", "No sign-in at all; refused unless `host` is this machine only."
    )
    demo: bool = _setting(False, "Place", "Start a small generated city of sensors.")
    demo_traffic: bool = _setting(
        True, "Place", "Whether a simulation drives the traffic of that city, beside the hub."
    )
    basemap: Path | None = _setting(
        None, "Place", "File of map tiles (PMTiles) to draw below the city's own streets."
    )
    base_url: str = _setting(
        "", "Place", "Address under which others reach this hub; empty means `http://host:port`."
    )
    alias: str = _setting(
        "madang",
        "Place",
        "Name of this hub in `Via` headers and its source identity.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )

    tls_certificate: Path | None = _setting(
        None, "Place", "Certificate chain (PEM); with it the hub speaks HTTPS only."
    )
    tls_key: Path | None = _setting(None, "Place", "Private key (PEM) of the certificate.")
    trusted_proxies: Hosts = _setting(
        [], "Place", "Addresses of proxies whose `X-Forwarded-For` is believed."
    )

    limit_public_per_s: float = _setting(
        50.0,
        "Limits",
        "Requests a second from one address without sign-in; 0 is no limit. Five seconds' worth"
        " may come at once.",
        ge=0,
    )
    limit_person_per_s: float = _setting(
        100.0, "Limits", "Requests a second of one person; 0 is no limit.", ge=0
    )
    limit_device_per_s: float = _setting(
        50.0, "Limits", "Requests a second of one device key; 0 is no limit.", ge=0
    )
    limit_app_per_s: float = _setting(
        0.0, "Limits", "Requests a second of one app or partner city; 0 is no limit.", ge=0
    )
    max_body_bytes: int = _setting(
        16 * MIB, "Limits", "Largest request body in bytes; more is answered 413.", ge=1024
    )
    mqtt_max_packet_bytes: int = _setting(
        256 * 1024,
        "Limits",
        "Largest packet, and so about the largest message, of MQTT in bytes.",
        ge=1024,
        le=16 * MIB,
    )
    max_page: int = _setting(1000, "Limits", "Largest `limit` of a page.", ge=1)
    max_instances: int = _setting(
        1_000,
        "Limits",
        "Instances of each attribute of an entity in one answer of the temporal API; a longer one"
        " is cut in time (206).",
        ge=1,
        le=100_000,
    )
    query_time_limit_s: float = _setting(
        10.0, "Limits", "Seconds a query may take; more is answered 403 TooComplexQuery.", gt=0
    )

    history_path: str = _setting(
        "",
        "History",
        "Where the files of history are, with `store` only: empty is below `data`; a folder that"
        " all processes of the city see; or `s3://bucket/prefix`.",
    )
    history_endpoint: str = _setting(
        "",
        "History",
        "Server of the bucket that `history_path` names, such as `https://s3.example.org`; empty"
        " is Amazon's.",
        pattern=r"^(https?://[^/?#@\s]+/?)?$",
    )
    history_region: str = _setting(
        "us-east-1", "History", "Region of the bucket.", pattern=r"^[a-z0-9-]+$"
    )
    history_key: str = _setting(
        "", "History", "Access key of the bucket; empty is what `AWS_ACCESS_KEY_ID` says."
    )
    history_secret: SecretStr = _setting(
        SecretStr(""),
        "History",
        "Secret of `history_key`; empty is what `AWS_SECRET_ACCESS_KEY` says.",
    )
    history_drain_s: float = _setting(
        10.0,
        "History",
        "Seconds after which changes go from the outbox into the lake's files, if there are not"
        " enough of them sooner. They can be read at once in any case.",
        gt=0,
    )
    history_memory_mb: int = _setting(
        512, "History", "Megabytes that questions to history may use in all.", ge=128
    )

    context_cache_entries: int = _setting(
        500, "Contexts", "How many fetched @contexts are kept.", ge=1
    )
    context_cache_age_s: float = _setting(
        DAY_S, "Contexts", "Seconds until a fetched @context is asked for again.", gt=0
    )
    context_max_bytes: int = _setting(
        MIB, "Contexts", "Largest @context that is fetched, in bytes.", ge=1024
    )
    context_timeout_s: float = _setting(
        5.0, "Contexts", "Seconds the host of an @context has to answer.", gt=0
    )
    context_hosts: Hosts = _setting(
        ["*"],
        "Contexts",
        "Hosts an @context may come from: names, `*.example.org`, or `*` for every public host.",
    )
    allow_private_contexts: bool = _setting(
        False, "Contexts", "Also fetch @contexts from loopback and private addresses."
    )

    notify_timeout_s: float = _setting(
        5.0, "Notifications", "Seconds a subscriber has to answer, unless it names its own.", gt=0
    )
    notify_keep_s: float = _setting(
        7 * DAY_S,
        "Notifications",
        "Seconds for which an undelivered notification is tried again by itself.",
        gt=0,
    )
    notify_hosts: Hosts = _setting(
        ["*"],
        "Notifications",
        "Hosts to notify: names, networks, `*` for all; inside only if named or by administrators.",
    )

    mail: Mail = _setting(None, "People", "Mail server, as `[mail]`; see how to handle incidents.")
    sms: Sms = _setting(None, "People", "Gateway of text messages, as `[sms]`; see there.")

    sense_drop: bool = _setting(
        True,
        "Sense",
        "Load files that are put into the folder `drop` of the data folder, if there is one.",
    )
    feed_hosts: Hosts = _setting(
        ["*"],
        "Sense",
        "Hosts that feeds may be fetched from: names, networks, `*` for all; inside only if named.",
    )
    feed_keys: FeedKeys = _setting(
        {},
        "Sense",
        "Keys that publishers gave the city, as `[feed_keys.<name>]` with `key` and `hosts`.",
    )
    feed_contact: str = _setting(
        "",
        "Sense",
        "Mail address or page by which publishers reach who runs this hub; sent with each request.",
        pattern=r"^[\x21-\x7e]{0,200}$",
    )
    feed_pause_s: float = _setting(
        1.0,
        "Sense",
        "Seconds between two requests of feeds to one host; what fails is tried again after some"
        " times as long.",
        gt=0,
        le=60,
    )
    feed_timeout_s: float = _setting(
        60.0, "Sense", "Seconds a publisher has for one whole answer.", gt=0, le=600
    )
    feed_max_bytes: int = _setting(
        256 * MIB, "Sense", "Largest answer to a feed, decompressed, in bytes.", ge=1024
    )

    edge_upstream: str = _setting(
        "",
        "Sense",
        "Address of the centre, on an edge node: `https://`, or `http://` on this machine only.",
        pattern=r"^(https?://[^\s?#@]+)?$",
    )
    edge_key: SecretStr = _setting(
        SecretStr(""), "Sense", "Key of the centre that may write the types which leave the node."
    )
    edge_name: str = _setting(
        "", "Sense", "Name of the edge node, for the centre.", pattern=r"^[A-Za-z0-9._-]{0,64}$"
    )
    edge_personal: bool = _setting(
        False, "Sense", "Whether attributes that policies mark as personal leave an edge node."
    )
    edge_rules: EdgeRules = _setting(
        {},
        "Sense",
        "What leaves an edge node, as `[edge_rules.<type>]` with `strip` and `aggregate`; `*` is"
        " every type.",
    )

    twin_city: Path | None = _setting(
        None,
        "Twin",
        "Folder of the road network and demand that policies are tried on, as `madang city build`"
        " makes it; `twin/city` in the data folder if left out.",
    )
    trial_processes: int = _setting(
        1, "Twin", "Simulations of a trial that run at once, each on a core.", ge=1, le=256
    )
    ray: str = _setting(
        "",
        "Twin",
        "Address of a Ray cluster that runs the simulations of trials, such as `auto`; it needs Ray"
        " installed here, and the data folder under the same name there.",
        pattern=r"^\S{0,200}$",
    )

    openid: Providers = _setting(
        {}, "Sign-in", "OpenID Connect providers, as `[openid.<name>]`; see how to sign in."
    )
    cors_origins: Origins = _setting(
        [], "Sign-in", "Origins whose pages may call the API, such as `https://app.example.org`."
    )
    security_contact: str = _setting(
        "",
        "Sign-in",
        "Where to report weaknesses (`mailto:` or `https://`), for `/.well-known/security.txt`.",
        pattern=r"^((mailto:|https://|tel:)\S+)?$",
    )

    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Log", "Least important message that is logged."
    )
    log_format: Literal["auto", "text", "json"] = _setting(
        "auto", "Log", "`auto` is text on a terminal and JSON lines elsewhere."
    )

    @model_validator(mode="after")
    def _open_stays_here(self) -> Self:
        if self.open and not is_loopback(self.host):
            raise ValueError(
                f"open means no sign-in, so host must be this machine (127.0.0.1), not {self.host}"
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; one of them is missing")
        return self

    @model_validator(mode="after")
    def _store_tells_no_secret(self) -> Self:
        address = urlsplit(self.store)
        if self.store and address.scheme not in ("postgres", "postgresql"):
            raise ValueError("store must be empty or begin with postgres://")
        if address.password is not None or "password=" in address.query:
            raise ValueError("store holds a password; set it as store_password, or as PGPASSWORD")
        return self

    @model_validator(mode="after")
    def _shared_files_have_a_shared_catalog(self) -> Self:
        if self.history_path and not self.store:
            raise ValueError("history_path needs store: without, history lies below data")
        if self.history_path.startswith("s3:") and not _BUCKET.fullmatch(self.history_path):
            raise ValueError(
                "history_path must be like s3://bucket/prefix, in letters, digits and ._-; the key"
                " goes into history_key and history_secret"
            )
        if self.history_endpoint and not self.history_path.startswith("s3://"):
            raise ValueError("history_endpoint is for a history_path such as s3://bucket/prefix")
        if bool(self.history_key) != bool(self.history_secret.get_secret_value()):
            raise ValueError("history_key and history_secret belong together; one is missing")
        return self

    @model_validator(mode="after")
    def _bus_is_of_a_shared_store(self) -> Self:
        if self.bus and not self.store:
            raise ValueError("bus is for hubs that share a store on PostgreSQL; set store as well")
        if any(urlsplit(server).password is not None for server in self.bus.split(",")):
            raise ValueError("bus holds a password; set it as bus_password")
        if self.role != "all" and not self.bus:
            raise ValueError(f"role {self.role} is for one of several hubs; set bus as well")
        return self

    @model_validator(mode="after")
    def _key_travels_encrypted(self) -> Self:
        address = urlsplit(self.edge_upstream)
        if address.scheme == "http" and not is_loopback(address.hostname or ""):
            raise ValueError(
                "edge_upstream must begin with https:// (http:// only on this machine), for the key"
                " is sent with each request"
            )
        return self

    @property
    def url(self) -> str:
        """Return the address under which others reach this hub."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "http" if self.tls_certificate is None else "https"
        return self.base_url.rstrip("/") or f"{scheme}://{host}:{self.port}"

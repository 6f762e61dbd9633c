"""Figures about the running hub, in Prometheus' text format at ``/metrics``."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from madang.act.commands.commands import Commands
    from madang.hub.hub import Hub
    from madang.sense.intake import Intake
    from madang.sense.transports.mqtt_broker import Broker
    from madang.sense.transports.mqtt_external import ExternalBrokers
    from madang.trust.audit import Audit

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)  # [s]

_Family = CounterMetricFamily | GaugeMetricFamily


class Metrics(Collector):
    """Counts requests as cheaply as can be; everything else is read when somebody asks."""

    def __init__(self) -> None:
        self._statuses: dict[tuple[str, str, int], int] = {}
        self._times: dict[tuple[str, str], list[float]] = {}
        self._hub: Hub | None = None
        self._audit: Audit | None = None
        self._intake: Intake | None = None
        self._mqtt: tuple[Broker, ExternalBrokers] | None = None
        self._commands: Commands | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def watch(self, hub: Hub) -> None:
        self._hub = hub

    def watch_audit(self, audit: Audit) -> None:
        self._audit = audit

    def watch_intake(self, intake: Intake) -> None:
        self._intake = intake

    def watch_mqtt(self, embedded: Broker, external: ExternalBrokers) -> None:
        self._mqtt = embedded, external

    def watch_commands(self, commands: Commands) -> None:
        self._commands = commands

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one answered request of a route."""
        key = (method, path, status)
        self._statuses[key] = self._statuses.get(key, 0) + 1
        route = (method, path)
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = [0.0] * (len(BUCKETS) + 2)
        times[bisect_left(BUCKETS, seconds)] += 1
        times[-1] += seconds

    def collect(self) -> Iterable[Metric]:
        answers = CounterMetricFamily(
            "madang_http_requests",
            "Requests answered by the hub API",
            labels=["method", "route", "status"],
        )
        for (method, path, status), count in list(self._statuses.items()):
            answers.add_metric([method, path, str(status)], count)
        yield answers
        times = HistogramMetricFamily(
            "madang_http_request_seconds",
            "Time from a request being whole to its answer",
            labels=["method", "route"],
        )
        for (method, path), counts in list(self._times.items()):
            sum_so_far = 0.0
            buckets: list[tuple[str, float]] = []
            for limit, number in zip((*map(str, BUCKETS), "+Inf"), counts, strict=False):
                sum_so_far += number
                buckets.append((limit, sum_so_far))
            times.add_metric([method, path], buckets, counts[-1])
        yield times
        if self._hub is not None:
            yield from self._of_hub(self._hub)
        if self._audit is not None:
            yield from self._of_audit(self._audit)
        if self._intake is not None:
            yield from self._of_intake(self._intake)
        if self._mqtt is not None:
            yield from self._of_mqtt(*self._mqtt)
        if self._commands is not None:
            yield self._of_commands(self._commands)

    @staticmethod
    def _of_commands(commands: Commands) -> Metric:
        found = CounterMetricFamily(
            "madang_commands", "Commands that came into a state", labels=["tenant", "state"]
        )
        for tenant, entered in commands.entered.items():
            for state, count in sorted(entered.items()):
                found.add_metric([tenant or "default", state], count)
        return found

    @staticmethod
    def _of_mqtt(embedded: Broker, external: ExternalBrokers) -> Iterable[Metric]:
        told = embedded.figures
        yield GaugeMetricFamily("madang_mqtt_connections", "MQTT clients", value=told.connections)
        yield CounterMetricFamily(
            "madang_mqtt_received", "Messages published by clients", value=told.received
        )
        yield CounterMetricFamily(
            "madang_mqtt_held", "Times a client was made to wait", value=told.held
        )
        yield CounterMetricFamily(
            "madang_mqtt_refused", "Messages, subscriptions and clients refused", value=told.refused
        )
        yield CounterMetricFamily("madang_mqtt_sent", "Messages to subscribers", value=told.sent)
        yield CounterMetricFamily(
            "madang_mqtt_dropped", "Messages a subscriber was too slow for", value=told.dropped
        )
        yield GaugeMetricFamily(
            "madang_mqtt_waiting", "Messages that wait for subscribers", value=told.waiting
        )
        connected = GaugeMetricFamily(
            "madang_mqtt_broker_connected", "1 if an external broker is there", labels=["broker"]
        )
        taken = CounterMetricFamily(
            "madang_mqtt_broker_messages", "Messages of an external broker", labels=["broker"]
        )
        for source in external.sources:
            connected.add_metric([source.name], source.connected)
            taken.add_metric([source.name], source.received)
        yield connected
        yield taken

    @staticmethod
    def _of_intake(intake: Intake) -> Iterable[Metric]:
        told = intake.figures
        yield CounterMetricFamily(
            "madang_sense_messages", "Messages of devices, feeds and files", value=told.messages
        )
        yield CounterMetricFamily("madang_sense_values", "Values written", value=told.values)
        yield CounterMetricFamily(
            "madang_sense_late", "Values that only history got", value=told.late
        )
        yield CounterMetricFamily(
            "madang_sense_known", "Values that were there already", value=told.known
        )
        yield CounterMetricFamily(
            "madang_sense_rejected", "Messages that became dead letters", value=told.rejected
        )
        yield CounterMetricFamily(
            "madang_sense_refused", "Messages pushed back", value=told.refused
        )
        yield GaugeMetricFamily(
            "madang_sense_under_way", "Messages not durable yet", value=intake.under_way
        )

    @staticmethod
    def _of_audit(audit: Audit) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "madang_audit_records", "Records in the audit log", value=audit.size
        )
        yield GaugeMetricFamily(
            "madang_audit_waiting", "Records not on the disk yet", value=audit.waiting
        )
        yield CounterMetricFamily("madang_audit_lost", "Records given up", value=audit.lost)
        yield GaugeMetricFamily(
            "madang_audit_sound",
            "1 if the audit log can be written and was not cut when it was opened",
            value=not (audit.failing or audit.damaged),
        )

    @staticmethod
    def _of_hub(hub: Hub) -> Iterable[Metric]:
        written: dict[str, _Family] = {
            "groups": _counter("madang_commits", "Groups of writes committed"),
            "operations": _counter("madang_operations", "Operations on entities applied"),
            "waiting": _gauge("madang_writes_waiting", "Operations waiting for the writer"),
        }
        sent: dict[str, _Family] = {
            "sent": _counter("madang_notifications_sent", "Notifications delivered"),
            "failed": _counter("madang_notifications_failed", "Attempts to deliver that failed"),
            "dropped": _counter("madang_notifications_dropped", "Notifications given up"),
            "waiting": _gauge("madang_notifications_waiting", "Notifications not delivered yet"),
        }
        behind = _gauge("madang_history_waiting", "Changes not in the lake's files yet")
        alarm = _gauge("madang_history_alarm", "1 if the lake cannot be written")
        followers = _gauge("madang_followers", "Who is told of changes as they happen")
        for name, tenant in list(hub.open.items()):
            labels = [name or "default"]
            for figure, family in written.items():
                family.add_metric(labels, getattr(tenant.writer, figure))
            counters = tenant.subscriptions.delivery.counters
            for figure, family in sent.items():
                family.add_metric(labels, getattr(counters, figure))
            behind.add_metric(labels, tenant.history.waiting)
            alarm.add_metric(labels, tenant.history.alarm is not None)
            followers.add_metric(labels, tenant.changes.followers)
        yield from written.values()
        yield from sent.values()
        yield behind
        yield alarm
        yield followers


def _counter(name: str, text: str) -> CounterMetricFamily:
    """Return a counter of each tenant."""
    return CounterMetricFamily(name, text, labels=["tenant"])


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    """Return a gauge of each tenant."""
    return GaugeMetricFamily(name, text, labels=["tenant"])

"""Every metric of every service. Names, units and meanings: docs/operating.md.

Each process has a registry of its own: nothing is registered at import, and two services in one test do not meet.
Labels are bounded: partitions, contests, refusal codes, routes and status codes, never anything a client sends.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from tallyroom import __version__
from tallyroom.domain.events import Refusal
from tallyroom.domain.plausibility import Flag

_LATENCY_S: Final = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_APPLY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 5.0)
_HTTP_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


def new_registry(service: str) -> CollectorRegistry:
    """A registry with what every service has: build_info and the process's own CPU, memory and files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Info("tallyroom_build", "Version that runs.", registry=registry)
    build.info({"service": service, "version": __version__, "python": platform.python_version()})
    return registry


@dataclass(frozen=True, slots=True)
class TabulatorMetrics:
    """Metrics of one tabulator."""

    consumed: Counter
    accepted: Counter
    superseded: Counter
    duplicate: Counter
    late: Counter
    quarantined: Counter  # by reason
    accepted_decreases: Counter
    flags: Counter  # by code
    apply_seconds: Histogram
    applied_latency: Histogram
    partition_lag: Gauge  # by partition
    partitions_owned: Gauge
    store_rollbacks: Counter
    fenced: Counter
    claims: Counter

    def count(self, records: int, fates: Mapping[str, int]) -> None:
        """Add what became of ``records`` log records; ``fates`` by the names of `tallyroom.tabulation.fold.Tallies`."""
        self.consumed.inc(records)
        for counter, name in (
            (self.accepted, "accepted"),
            (self.superseded, "superseded"),
            (self.duplicate, "duplicates"),
            (self.late, "late"),
            (self.accepted_decreases, "decreases"),
        ):
            counter.inc(fates.get(name, 0))


def tabulator_metrics(registry: CollectorRegistry) -> TabulatorMetrics:
    """Register the tabulator's metrics."""
    r = registry
    return TabulatorMetrics(
        consumed=Counter("tallyroom_reports_consumed", "Log records folded and applied.", registry=r),
        accepted=Counter("tallyroom_reports_accepted", "Reports that are (or were) in the totals.", registry=r),
        superseded=Counter(
            "tallyroom_reports_superseded", "Accepted reports that replaced an earlier one.", registry=r
        ),
        duplicate=Counter("tallyroom_reports_duplicate", "Reports that say what is known already.", registry=r),
        late=Counter("tallyroom_reports_late", "Reports older than the one in the totals.", registry=r),
        quarantined=_quarantined(r),
        accepted_decreases=Counter(
            "tallyroom_accepted_decreases", "Figures that an accepted report lowered.", registry=r
        ),
        flags=_flags(r),
        apply_seconds=Histogram(
            "tallyroom_apply_seconds", "One group commit to the store.", buckets=_APPLY_S, registry=r
        ),
        applied_latency=Histogram(
            "tallyroom_applied_latency_seconds",
            "From the append to the log to the answer of the store, of the oldest record of a step.",
            buckets=_LATENCY_S,
            registry=r,
        ),
        partition_lag=Gauge(
            "tallyroom_partition_lag", "Log end minus the offset in the store, in records.", ["partition"], registry=r
        ),
        partitions_owned=Gauge("tallyroom_partitions_owned", "Partitions this worker folds.", registry=r),
        store_rollbacks=Counter(
            "tallyroom_store_rollbacks", "Claims that found the store behind what it had acknowledged.", registry=r
        ),
        fenced=Counter("tallyroom_fenced", "Applies refused because a newer owner holds the partition.", registry=r),
        claims=Counter("tallyroom_claims", "Partitions claimed.", registry=r),
    )


def returned_counter(registry: CollectorRegistry) -> Counter:
    """Register the counter of reports sent again, of whichever service does it."""
    text = "Refused reports sent again after an amendment named their unit."
    return Counter("tallyroom_returned", text, registry=registry)


def _quarantined(registry: CollectorRegistry) -> Counter:
    """A series for every code from the start: the first refusal must be a rise from 0, or no alarm would see it."""
    counter = Counter("tallyroom_quarantined", "Records refused, by reason code.", ["reason"], registry=registry)
    for code in Refusal:
        counter.labels(reason=str(code))
    return counter


@dataclass(frozen=True, slots=True)
class PublisherMetrics:
    """Metrics of one publisher."""

    units_reported: Gauge  # by contest
    units_expected: Gauge  # by contest
    revision: Gauge
    snapshot_age: Gauge
    snapshot_stale: Gauge
    publisher_active: Gauge
    publication_frozen: Gauge
    published_latency: Histogram
    flags: Counter  # by code
    flags_open: Gauge  # by code
    places_frozen: Gauge
    calls_contradicted: Gauge
    contests: Gauge  # by status
    corrections: Gauge  # by contest
    decided: Gauge  # by contest


def publisher_metrics(registry: CollectorRegistry) -> PublisherMetrics:
    """Register the publisher's metrics."""
    r = registry
    return PublisherMetrics(
        units_reported=Gauge(
            "tallyroom_units_reported", "Units completely reported, in the whole contest.", ["contest"], registry=r
        ),
        units_expected=Gauge(
            "tallyroom_units_expected", "Units expected, in the whole contest.", ["contest"], registry=r
        ),
        revision=_revision(r),
        snapshot_age=_age(r),
        snapshot_stale=_stale(r),
        publisher_active=Gauge("tallyroom_publisher_active", "1 while this process holds the lease.", registry=r),
        publication_frozen=Gauge(
            "tallyroom_publication_frozen", "1 while the auditor has frozen publication.", registry=r
        ),
        published_latency=Histogram(
            "tallyroom_published_latency_seconds",
            "From the append to the log to the publication, of the newest record of a revision.",
            buckets=_LATENCY_S,
            registry=r,
        ),
        flags=_flags(r),
        flags_open=Gauge("tallyroom_flags_open", "Plausibility flags that stand now, by code.", ["code"], registry=r),
        places_frozen=Gauge("tallyroom_places_frozen", "Areas of contests whose figures stand still.", registry=r),
        calls_contradicted=Gauge(
            "tallyroom_calls_contradicted", "Calls of the desk that the bound says are wrong.", registry=r
        ),
        contests=Gauge("tallyroom_contests", "Contests by results status.", ["status"], registry=r),
        corrections=Gauge(
            "tallyroom_corrections", "Accepted reports that changed figures of their unit.", ["contest"], registry=r
        ),
        decided=Gauge(
            "tallyroom_questions_decided",
            "Questions of a contest that no outstanding ballot can change any more.",
            ["contest"],
            registry=r,
        ),
    )


@dataclass(frozen=True, slots=True)
class AuditorMetrics:
    """Metrics of one auditor."""

    offset: Gauge  # by what was compared and partition
    age: Gauge
    differences: Gauge  # by where they are
    audits: Counter
    audit_seconds: Histogram


def auditor_metrics(registry: CollectorRegistry, age: Callable[[], float]) -> AuditorMetrics:
    """Register the auditor's metrics; ``age`` is asked whenever they are scraped, so that it grows while the auditor hangs."""
    r = registry
    made = AuditorMetrics(
        offset=Gauge(
            "tallyroom_audit_offset",
            "Next offset up to which totals or the published revision were found right.",
            ["of", "partition"],
            registry=r,
        ),
        age=Gauge("tallyroom_audit_age_seconds", "Time since the last whole audit.", registry=r),
        differences=Gauge(
            "tallyroom_audit_differences",
            "Figures that are not what the log says, by where and kind.",
            ["of"],
            registry=r,
        ),
        audits=Counter("tallyroom_audits", "Whole audits.", registry=r),
        audit_seconds=Histogram("tallyroom_audit_seconds", "One whole audit.", buckets=_LATENCY_S, registry=r),
    )
    made.age.set_function(age)
    for of in ("store", "published", "derived"):
        made.differences.labels(of=of).set(0)
    return made


@dataclass(frozen=True, slots=True)
class DeskMetrics:
    """Metrics of the desk."""

    waiting: Gauge  # by reason
    oldest: Gauge
    could_change: Gauge


def desk_metrics(registry: CollectorRegistry) -> DeskMetrics:
    """Register the desk's metrics."""
    r = registry
    return DeskMetrics(
        waiting=Gauge("tallyroom_quarantine_waiting", "Refused records that nobody settled.", ["reason"], registry=r),
        oldest=Gauge("tallyroom_quarantine_oldest_seconds", "How long the oldest of them has waited.", registry=r),
        could_change=Gauge(
            "tallyroom_quarantine_could_change_outcome",
            "Refused reports that would turn an outcome if they were released.",
            registry=r,
        ),
    )


@dataclass(frozen=True, slots=True)
class GatewayMetrics:
    """Metrics of one gateway."""

    revision: Gauge
    snapshot_age: Gauge
    snapshot_stale: Gauge
    http_requests: Counter  # by route template and status
    http_request_seconds: Histogram  # by route template
    http_refused: Counter  # by reason
    stream_clients: Gauge
    stream_cut: Counter


def gateway_metrics(registry: CollectorRegistry) -> GatewayMetrics:
    """Register the gateway's metrics."""
    r = registry
    return GatewayMetrics(
        revision=_revision(r),
        snapshot_age=_age(r),
        snapshot_stale=_stale(r),
        http_requests=Counter(
            "tallyroom_http_requests",
            "Requests answered, by route template and status.",
            ["route", "status"],
            registry=r,
        ),
        http_request_seconds=Histogram(
            "tallyroom_http_request_seconds",
            "Time to answer, by route template; streams are not in it.",
            ["route"],
            buckets=_HTTP_S,
            registry=r,
        ),
        http_refused=Counter(
            "tallyroom_http_refused",
            "Requests refused for their key, their rate, or the number of open streams.",
            ["reason"],
            registry=r,
        ),
        stream_clients=Gauge("tallyroom_stream_clients", "Open event streams.", registry=r),
        stream_cut=Counter(
            "tallyroom_stream_clients_cut", "Streams ended because the client was too slow.", registry=r
        ),
    )


def _flags(registry: CollectorRegistry) -> Counter:
    """Every code is there from the start: a series that begins with 1 shows no increase, and no alert."""
    counter = Counter("tallyroom_flags", "Plausibility flags raised, by code.", ["code"], registry=registry)
    for code in Flag:
        counter.labels(code=str(code))
    return counter


def _revision(registry: CollectorRegistry) -> Gauge:
    return Gauge("tallyroom_revision", "Number of the current revision.", registry=registry)


def _age(registry: CollectorRegistry) -> Gauge:
    return Gauge("tallyroom_snapshot_age_seconds", "Age of the current revision.", registry=registry)


def _stale(registry: CollectorRegistry) -> Gauge:
    return Gauge("tallyroom_snapshot_stale", "1 while the current revision may be out of date.", registry=registry)

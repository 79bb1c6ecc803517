"""The event log: the truth that every total is recomputed from. Kafka, or an embedded SQLite file; same protocol."""

from tallyroom.log.base import Bounds, Entry, EventLog, LogRecord, Position, Record
from tallyroom.log.kafka import KafkaLog
from tallyroom.log.memory import MemoryLog
from tallyroom.log.routing import MAX_VALUE_BYTES
from tallyroom.log.sqlite import SqliteLog, consumer_lock
from tallyroom.log.topics import events_topic, quarantine_topic
from tallyroom.log.waiting import wait_for_records
from tallyroom.settings import Settings

__all__ = [
    "EMBEDDED_FILE",
    "MAX_VALUE_BYTES",
    "Bounds",
    "Entry",
    "EventLog",
    "KafkaLog",
    "LogRecord",
    "MemoryLog",
    "Position",
    "Record",
    "SqliteLog",
    "consumer_lock",
    "events_topic",
    "open_log",
    "quarantine_topic",
    "wait_for_records",
]

EMBEDDED_FILE = "log.sqlite3"
"""Name of the embedded log in the folder TALLYROOM_DATA."""


def open_log(settings: Settings) -> EventLog:
    """The log that the settings name. Nothing is connected or opened before its first use."""
    if settings.kafka_url is not None:
        return KafkaLog(settings.bootstrap, replication=settings.replication, security=settings.kafka)
    settings.data.mkdir(parents=True, exist_ok=True)
    return SqliteLog(settings.data / EMBEDDED_FILE)

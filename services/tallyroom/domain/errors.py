"""The error tree. Every error says what, where, and ends with what the operator can do.

TallyroomError
├── DefinitionError      the election definition is wrong (whose fault: its author)
├── RecordingError       a recording is wrong or damaged (whose fault: its author)
├── SettingError         a setting is wrong, or names something taken (whose fault: the operator)
├── LogError             the event log cannot be used
│   ├── TopicMissing     nobody created the topic
│   └── TopicMismatch    the topic exists with another partition count
├── StoreError           the store cannot be used
│   ├── StoreMismatch    it holds another election, definition or partition count
│   └── StoreUnavailable it does not answer
├── DiskUnavailable      the data folder cannot be written
└── RebuildRequired      store and log contradict each other: totals must be rebuilt from the log
    └── OtherLayout      another release packed the totals
"""


class TallyroomError(Exception):
    """Base of all errors that this project raises on purpose.

    ``what`` says what is wrong and where; ``action`` says what the operator can do about it.
    """

    def __init__(self, what: str, action: str) -> None:
        super().__init__(f"{what} Operator action: {action}")
        self.what = what
        self.action = action


class DefinitionError(TallyroomError):
    """The election definition contradicts itself or its schema."""


class RecordingError(TallyroomError):
    """A recording is missing, damaged, or contradicts its manifest."""


class SettingError(TallyroomError):
    """A setting has a value that cannot work."""


class LogError(TallyroomError):
    """The event log cannot be used."""


class LogUnavailable(LogError):
    """The brokers do not answer, or not in time."""


class TopicMissing(LogError):
    """The topic does not exist; topics are never created on the fly."""


class TopicMismatch(LogError):
    """The topic exists with another number of partitions than the store or the caller expects."""


class StoreError(TallyroomError):
    """The totals store cannot be used."""


class StoreMismatch(StoreError):
    """The store holds totals of another election, definition or partition count."""


class StoreUnavailable(StoreError):
    """The store does not answer."""


class DiskUnavailable(TallyroomError):
    """The data folder cannot be written: no space, no rights, no disk."""


class RebuildRequired(TallyroomError):
    """Store and log contradict each other; the log is the truth, so the store must be rebuilt."""


class OtherLayout(RebuildRequired):
    """The totals in the store are packed as another release does it; reading on would misread them."""

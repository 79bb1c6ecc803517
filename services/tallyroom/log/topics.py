"""Names of the topics. One set per election and environment, so that a rehearsal can never meet the night."""


def events_topic(election: str, environment: str) -> str:
    """The topic of everything that counts: reports, amendments and the other events."""
    return f"tallyroom.{election}.{environment}.events"


def quarantine_topic(election: str, environment: str) -> str:
    """The topic of records that were refused, with reason, original bytes and source position."""
    return f"tallyroom.{election}.{environment}.quarantine"

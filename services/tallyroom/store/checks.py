"""What every store refuses before it writes anything: mistakes of the caller, not answers of the protocol."""

from collections.abc import Iterable, Sequence, Sized

from tallyroom.domain.errors import StoreMismatch
from tallyroom.store.base import MAX_FIELDS, Apply, StoreMeta

RESERVED = (b"epoch", b"off")
"""Fields that the protocol itself writes; a caller that wrote them would break the fence."""


def check_steps(steps: Sequence[Apply]) -> None:
    """Raises ValueError if a step is too large for one atomic call, or writes the protocol's own fields."""
    for step in steps:
        check_size(step.fields)
        if any(name in step.fields for name in RESERVED):
            raise ValueError(f"a step of partition {step.partition} writes one of {RESERVED}")


def check_size(fields: Sized) -> None:
    """Raises ValueError beyond ``MAX_FIELDS``."""
    if len(fields) > MAX_FIELDS:
        raise ValueError(f"{len(fields)} fields in one step; {MAX_FIELDS} at most, the caller must split")


def check_meta(found: StoreMeta, definition: str, partitions: int) -> None:
    """Raises StoreMismatch if the store was made for another definition or another number of partitions."""
    wrong = list(_differences(found, definition, partitions))
    if wrong:
        raise StoreMismatch(
            f"The store {found.store_id} holds {' and '.join(wrong)}.",
            "use the definition and topic that the store was made for, or rebuild the totals from the log in an empty store",
        )


def _differences(found: StoreMeta, definition: str, partitions: int) -> Iterable[str]:
    if found.definition != definition:
        yield f"totals of definition {found.definition[:16]}, not {definition[:16]}"
    if found.partitions != partitions:
        yield f"{found.partitions} partitions, not {partitions}"

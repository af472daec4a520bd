"""How much memory the columns take: what is on the heap, what is mapped from files, and what is let go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeterResidency:
    """One meter's columns. `heap_bytes` are this process's own; `mapped_bytes` are pages of the saved files, which
    worker processes share and the system may take back. A meter that is not `resident` is read when it is next asked
    about.
    """

    meter_pk: int
    events: int
    tail_events: int
    heap_bytes: int
    mapped_bytes: int
    resident: bool


@dataclass(frozen=True, slots=True)
class Residency:
    """All meters of one process; `limit` is the setting COLUMNS_MAX_BYTES, 0 for no limit."""

    limit: int
    seq: int
    meters: tuple[MeterResidency, ...]

    @property
    def heap_bytes(self) -> int:
        """Bytes of all meters that only this process holds."""
        return sum(meter.heap_bytes for meter in self.meters)

    @property
    def mapped_bytes(self) -> int:
        """Bytes of all meters that are mapped from files."""
        return sum(meter.mapped_bytes for meter in self.meters)

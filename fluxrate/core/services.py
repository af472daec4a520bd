"""Everything one running application holds, in one value: pages, plugins and commands ask it and nothing global."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxrate.core.catalog import Catalog
from fluxrate.core.engine import Engine
from fluxrate.core.ingest import Ingest
from fluxrate.core.live import LiveColumns
from fluxrate.core.model import InForce
from fluxrate.core.pace import KeyRate, SignIns
from fluxrate.core.registry import Registry
from fluxrate.core.revenue.reading import Revenue
from fluxrate.core.store import Store
from fluxrate.core.vitals import Vitals


@dataclass(frozen=True, slots=True)
class Services:
    """One application's parts. `clock()` is now in UTC microseconds; `settings` the value of every setting.

    `in_force` is every setting for people to read, without passwords. `worker` is the number of this process where
    several serve one address, else None.
    """

    instance: Path
    settings: Mapping[str, Any]
    store: Store
    catalog: Catalog
    live: LiveColumns
    engine: Engine
    ingest: Ingest
    revenue: Revenue
    registry: Registry
    vitals: Vitals
    key_rate: KeyRate
    sign_ins: SignIns
    clock: Callable[[], int]
    worker: int | None = None
    in_force: tuple[InForce, ...] = ()

    def close(self) -> None:
        """Save the columns and let go of the store."""
        self.live.save(force=True)
        self.store.close()

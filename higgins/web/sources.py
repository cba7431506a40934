"""Where the numbers of a node are. In a module of its own, so that a node without HTTP imports no HTTP library."""

import msgspec

from higgins.ledger.ledger import Ledger
from higgins.log.traffic import Traffic
from higgins.log.writer import Writer
from higgins.operators.engine import Engine
from higgins.runtime import Runtime
from higgins.server.unsent import Unsent
from higgins.storage.cache import Cache
from higgins.telemetry.metrics import Counts


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """The components of a node that metrics are read from."""

    runtime: Runtime
    ledger: Ledger
    writer: Writer
    traffic: Traffic
    cache: Cache
    unsent: Unsent
    engine: Engine
    counts: Counts
    started_ms: int

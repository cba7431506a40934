"""All use cases of one node, for the surfaces: the Kafka API, the private API, HTTP."""

from higgins.admin.cluster import ClusterAdmin
from higgins.admin.configs.admin import ConfigAdmin
from higgins.admin.configs.live import LiveConfigs
from higgins.admin.configs.without_effect import EffectNotes
from higgins.admin.figures import NodeFigures
from higgins.admin.groups import GroupAdmin
from higgins.admin.operators import OperatorAdmin
from higgins.admin.records import RecordAdmin
from higgins.admin.topics import TopicAdmin
from higgins.groups.coordinator import Coordinator
from higgins.ledger.ledger import Ledger
from higgins.log.reader import Reader
from higgins.log.traffic import Traffic
from higgins.operators.engine import Engine
from higgins.runtime import Runtime
from higgins.telemetry.metrics import Counts


class Admin:
    """One attribute for each area. Methods raise and return `Refused` with the code and message for a client."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        ledger: Ledger,
        configs: LiveConfigs,
        reader: Reader,
        groups: Coordinator,
        operators: Engine,
        traffic: Traffic,
        counts: Counts,
    ) -> None:
        self.cluster = ClusterAdmin(ledger)
        notes = EffectNotes()
        self.topics = TopicAdmin(runtime, ledger, configs, notes)
        self.configs = ConfigAdmin(ledger, configs, notes)
        self.records = RecordAdmin(ledger, configs, reader)
        self.groups = GroupAdmin(ledger, groups, self.records)
        self.operators = OperatorAdmin(runtime, ledger, configs, operators)
        self.figures = NodeFigures(runtime, ledger, operators, traffic, counts)

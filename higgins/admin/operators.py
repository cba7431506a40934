"""Operators: apply a topography, list operators with their state, delete one."""

from collections.abc import Mapping

from higgins.admin.configs.live import LiveConfigs
from higgins.config.entries.changes import error_in_topic_configs
from higgins.ledger.ledger import Ledger
from higgins.operators.apply import Applied, apply_topography, delete_operator
from higgins.operators.engine import Engine
from higgins.operators.view import OperatorView, operator_views
from higgins.runtime import Runtime


class OperatorAdmin:
    """Use cases of operators."""

    def __init__(self, runtime: Runtime, ledger: Ledger, configs: LiveConfigs, engine: Engine) -> None:
        self._runtime = runtime
        self._ledger = ledger
        self._configs = configs
        self._engine = engine

    async def apply(self, topography: str, adopt: Mapping[str, str] | None = None) -> Applied:
        """Make the streams and operators as the text of a topography file says, in one commit.

        `adopt` names streams whose operators take over a topic that exists, and where in their base they begin.

        Raises: TopographyError (with every problem of the file), Refused, StorageUnavailable, Fenced.
        """
        return await apply_topography(
            self._runtime,
            self._ledger,
            topography,
            partitions_default=self._configs.broker.partitions_default,
            check_config=error_in_topic_configs,
            adopt=adopt,
        )

    async def list_operators(self) -> list[OperatorView]:
        """All operators by name, each with the state of its tasks. Raises: StorageUnavailable."""
        await self._ledger.barrier()
        return self.known()

    def known(self) -> list[OperatorView]:
        """The same, from what this node has folded."""
        return operator_views(self._ledger.state, self._engine)

    async def delete(self, name: str) -> Applied:
        """Delete an operator; its topic stays. Raises: Refused(RESOURCE_NOT_FOUND), StorageUnavailable, Fenced."""
        return await delete_operator(self._ledger, name)

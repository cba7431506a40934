"""The use cases of configs, for one node."""

from collections.abc import Collection, Mapping, Sequence

from higgins.admin.configs.alter import Alteration, alter_configs
from higgins.admin.configs.describe import ConfigValue, describe_configs, describe_topic_configs
from higgins.admin.configs.live import LiveConfigs
from higgins.admin.configs.resources import resource_names
from higgins.admin.configs.without_effect import EffectNotes
from higgins.config.entries.entry import ResourceType
from higgins.ledger.ledger import Ledger
from higgins.model.errors import Refused


class ConfigAdmin:
    """Use cases of configs."""

    def __init__(self, ledger: Ledger, live: LiveConfigs, notes: EffectNotes) -> None:
        self._ledger = ledger
        self._live = live
        self._notes = notes

    def describe(self, type_code: int, name: str, names: Collection[str] = ()) -> list[ConfigValue]:
        """The entries of a resource with these names, or all of them; see `describe_configs`. Raises: Refused."""
        return describe_configs(self._ledger.state, self._live, type_code, name, names)

    def describe_topic(self, own: Mapping[str, str]) -> list[ConfigValue]:
        """Every entry of a topic with these configs of its own, which need not exist."""
        return describe_topic_configs(self._live, own)

    async def alter(
        self, alterations: Sequence[Alteration], *, validate_only: bool = False
    ) -> list[Refused | None]:
        """Change configs; see `alter_configs`. Raises: StorageUnavailable (nothing was changed)."""
        return await alter_configs(
            self._ledger, self._live, alterations, notes=self._notes, validate_only=validate_only
        )

    def resources(self, kind: ResourceType) -> Sequence[str]:
        """The names of the resources of a type; see `resource_names`."""
        return resource_names(self._ledger.state, kind)

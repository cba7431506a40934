"""`higgins topic config`: show and change a topic's config entries, and list all entries that exist."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, objects, print_json, print_table, say, with_cluster
from higgins.client import Cluster
from higgins.client.configs import change_topic_configs, topic_configs
from higgins.config.entries.document import as_markdown, as_rows
from higgins.config.entries.topics import TOPIC_ENTRIES
from higgins.model.errors import Unfit

app = App(name="config", help="Show and change the config entries of a topic.")


@app.command
def get(name: str, key: str = "", /, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Show a topic's config entries, or the value of one."""

    async def job(cluster: Cluster) -> None:
        entries = await topic_configs(cluster, name, [key] if key else None)
        if key and not entries:
            raise Unfit(f"There is no config entry '{key}'; list all with: higgins topic config list")
        if json:
            header = ("NAME", "VALUE", "SOURCE", "DOCUMENTATION")
            print_json(objects(header, [(one.name, one.value, one.source, one.documentation) for one in entries]))
        elif key:
            print(entries[0].value or "")
        else:
            print_table(("NAME", "VALUE", "FROM"), [(one.name, one.value, one.source) for one in entries])

    return with_cluster(bootstrap, job)


@app.command(name="set")
def set_entries(
    name: str,
    /,
    *entries: str,
    delete: Annotated[
        Sequence[str], Parameter(name="--delete", help="An entry to reset to its default; may be repeated.")
    ] = (),
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Set entries, each as KEY=VALUE, and reset others: all or none. The changes take effect at once."""

    async def job(cluster: Cluster) -> None:
        values = _values(entries)
        if not values and not delete:
            raise Unfit("Nothing to change: write KEY=VALUE, as in retention.ms=3600000, or --delete KEY.")
        await change_topic_configs(cluster, name, values=values, deleted=delete)
        document = {"topic": name, "set": values, "deleted": list(delete)}
        without_effect = [key for key in values if key in TOPIC_ENTRIES and TOPIC_ENTRIES[key].has_no_effect]
        notes = [f"  {key}: {TOPIC_ENTRIES[key].effect}." for key in without_effect]
        say("\n".join([f"Changed topic {name}.", *notes]), document, json=json)

    return with_cluster(bootstrap, job)


@app.command(name="list")
def list_entries(*, json: Json = False) -> int:
    """List every config entry and its effect, as Markdown."""
    if json:
        print_json(as_rows())
    else:
        print(as_markdown(), end="")
    return 0


def _values(entries: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals or not key:
            raise Unfit(f"'{entry}' is not KEY=VALUE, as in retention.ms=3600000.")
        values[key] = value
    return values

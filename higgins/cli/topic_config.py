"""`higgins topic config`: show and change a topic's config entries, and list all entries that exist."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from higgins.cli.common import (
    DEFAULT_BOOTSTRAP,
    Bootstrap,
    Json,
    complain,
    objects,
    print_json,
    print_table,
    say,
    with_cluster,
)
from higgins.cli.text.entries import notes_without_effect, parse_entries
from higgins.cli.text.help import examples
from higgins.client import Cluster
from higgins.client.configs import change_topic_configs, topic_configs
from higgins.config.entries.document import as_markdown, as_rows
from higgins.model.errors import Unfit
from higgins.telemetry.printable import printable

app = App(
    name="config",
    help="Show and change the config entries of a topic.",
    help_epilogue=examples("higgins topic config get orders", "higgins topic config list"),
)


@app.command(
    help_epilogue=examples("higgins topic config get orders", "higgins topic config get orders max.message.bytes")
)
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
            print(printable(entries[0].value or ""))
        else:
            print_table(("NAME", "VALUE", "FROM"), [(one.name, one.value, one.source) for one in entries])

    return with_cluster(bootstrap, job)


@app.command(
    name="set",
    help_epilogue=examples(
        "higgins topic config set orders max.message.bytes=2000000",
        "higgins topic config set orders --delete max.message.bytes",
    ),
)
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
        values = parse_entries(entries)
        if not values and not delete:
            raise Unfit("Nothing to change: write KEY=VALUE, as in retention.ms=3600000, or --delete KEY.")
        await change_topic_configs(cluster, name, values=values, deleted=delete)
        notes = notes_without_effect(values)
        document = {"topic": name, "set": values, "deleted": list(delete), **({"notes": notes} if notes else {})}
        say(f"Changed topic {name}.", document, json=json, notes=notes)

    return with_cluster(bootstrap, job)


@app.command(
    name="list",
    help_epilogue=examples(
        "higgins topic config list", "higgins topic config list retention", "higgins topic config list --markdown"
    ),
)
def list_entries(
    words: str = "",
    /,
    *,
    markdown: Annotated[
        bool, Parameter(negative="", help="Print the whole documentation of all entries as a page of Markdown.")
    ] = False,
    json: Json = False,
) -> int:
    """List the config entries that exist, or those whose name contains WORDS, and what each does in Higgins."""
    rows = [one for one in as_rows() if words in one.name]
    if not rows:
        complain(f"There is no config entry whose name contains '{words}'.")
        return 1
    if json:
        print_json(rows)
    elif markdown:
        print(as_markdown(), end="")
    else:
        header = ("SCOPE", "NAME", "TYPE", "DEFAULT", "IN HIGGINS")
        print_table(header, [(one.scope, one.name, one.type, one.default, one.effect) for one in rows])
    return 0

"""`higgins operator`: list and delete operators."""

from cyclopts import App

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, print_table, say, with_cluster
from higgins.cli.topography import OperatorProgress, ask
from higgins.client import Cluster

app = App(name="operator", help="List and delete operators.")


@app.command(name="list")
def list_operators(*, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """List operators with their input, output and lag."""

    async def job(cluster: Cluster) -> None:
        listed = await ask(cluster, "operators.list", {}, dict[str, list[OperatorProgress]])
        print_table(
            ("OPERATOR", "INPUT", "OUTPUT", "WHERE", "TASKS", "LAG", "STATE"),
            [
                (
                    one.name,
                    one.input,
                    one.output,
                    one.where,
                    len(one.partitions),
                    sum(task.lag for task in one.partitions),
                    ", ".join(sorted({task.state for task in one.partitions if task.state})) or None,
                )
                for one in listed.get("operators", [])
            ],
            json=json,
        )

    return with_cluster(bootstrap, job)


@app.command
def delete(name: str, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Delete an operator. Its output stays, as an ordinary topic."""

    async def job(cluster: Cluster) -> None:
        await ask(cluster, "operators.delete", {"name": name}, dict[str, object])
        say(f"Deleted operator {name}; its topic stays.", {"operator": name, "deleted": True}, json=json)

    return with_cluster(bootstrap, job)

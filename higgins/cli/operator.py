"""`higgins operator`: list and delete operators."""

from cyclopts import App

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, print_table, with_cluster
from higgins.cli.topography import OperatorProgress, ask
from higgins.client import Cluster

app = App(name="operator", help="List and delete operators.")


@app.command(name="list")
def list_operators(*, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """List operators, what they read and write, and how far behind they are."""

    async def job(cluster: Cluster) -> None:
        found = await ask(cluster, "operators.list", {}, dict[str, list[OperatorProgress]])
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
                    ", ".join(sorted({task.state for task in one.partitions if task.state})) or "-",
                )
                for one in found.get("operators", [])
            ],
        )

    return with_cluster(bootstrap, job)


@app.command
def delete(name: str, *, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Delete an operator. What it wrote stays, as an ordinary topic."""

    async def job(cluster: Cluster) -> None:
        await ask(cluster, "operators.delete", {"name": name}, dict[str, object])
        print(f"Deleted operator {name}; its topic stays.")

    return with_cluster(bootstrap, job)

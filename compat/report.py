"""The report of all clients: `report.py RESULTS…` prints the tables that stand in the README.

Standard library only. `--json FILE` renews the rows of these clients there, and the tables show all that it has.
`--readme FILE` puts them between the two marks in that file instead of printing it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN_MARK = "<!-- compat table -->"
END_MARK = "<!-- /compat table -->"
# Which stories stand behind each column.
COLUMNS: Mapping[str, Sequence[str]] = {
    "connect, create": ("connect", "create", "auto-create"),
    "acks 0, 1, all": ("produce-acks-0", "produce-acks-1", "produce-acks-all"),
    "every compression": ("produce-none", "produce-gzip", "produce-snappy", "produce-lz4", "produce-zstd"),
    "keys, headers, timestamps": ("keys", "headers", "timestamps"),
    "900 KB, 8 partitions": ("large", "partitions"),
    "from begin, end, offset, time": ("consume-begin", "consume-end", "consume-offset", "consume-time"),
    "group of three": ("group",),
    "broker restarts": ("restart",),
    "rolling restart of two nodes": ("rolling",),
    "exactly once through kill -9": ("idempotent-kill",),
    "derived stream": ("derived",),
    "everyday admin calls": (
        "admin-nodes",
        "admin-delete-topic",
        "admin-partitions",
        "admin-configs",
        "admin-message-bytes",
        "admin-offsets",
        "admin-delete-records",
        "admin-groups",
        "admin-group-offsets",
    ),
}


def cell(outcomes: Mapping[str, str], stories: Sequence[str]) -> str:
    """`yes`, or what is not: a skip is what the client itself lacks."""
    found = {story: outcomes.get(story, "not run") for story in stories}
    if all(outcome == "pass" for outcome in found.values()):
        return "yes"
    if all(outcome == "skip" for outcome in found.values()):
        return "the client cannot"
    wrong = [f"{story}: {outcome}" for story, outcome in found.items() if outcome not in {"pass", "skip"}]
    if wrong:
        return "; ".join(wrong)
    return "yes, without " + ", ".join(story for story, outcome in found.items() if outcome == "skip")


def name_of(report: Mapping[str, Any]) -> str:
    name: str = report["client"].removesuffix(f"-{report['version']}")
    return name


def is_client(report: Mapping[str, Any]) -> bool:
    """Whether it was told the stories of every client, and not those of its own folder."""
    known = {story for stories in COLUMNS.values() for story in stories}
    return any(row["story"] in known for row in report["stories"])


def summary(report: Mapping[str, Any]) -> str:
    """The stories of a tool's or a system's own folder that pass, and what became of the others."""
    passed = [row["story"] for row in report["stories"] if row["outcome"] == "pass"]
    others = [f"{row['story']}: {row['outcome']}" for row in report["stories"] if row["outcome"] != "pass"]
    return ", ".join(passed) + (f"; {'; '.join(others)}" if others else "")


def markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rest])


def table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a row for each client, and below a row for each tool or system with stories of its own."""
    clients, systems = [["client", "version", *COLUMNS]], [["on top", "version", "stories that pass"]]
    for report in reports:
        named = [name_of(report), report["version"]]
        if is_client(report):
            outcomes = {row["story"]: row["outcome"] for row in report["stories"]}
            clients.append([*named, *(cell(outcomes, stories) for stories in COLUMNS.values())])
        else:
            systems.append([*named, summary(report)])
    return "\n\n".join(markdown(rows) for rows in (clients, systems) if len(rows) > 1)


def renewed(path: Path, reports: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What the file reports, with these reports in the place of older ones of the same clients."""
    kept = json.loads(path.read_text()) if path.exists() else []
    both = {report["client"]: report for report in [*kept, *reports]}
    return [both[client] for client in sorted(both)]


def put_into(path: Path, text: str) -> None:
    """Replace what stands between the marks."""
    before, begin, rest = path.read_text().partition(BEGIN_MARK)
    _, end, after = rest.partition(END_MARK)
    if not begin or not end:
        sys.exit(f"{path} has no lines {BEGIN_MARK} and {END_MARK}; the table goes between them.")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make one report of the clients' results.")
    parser.add_argument("results", nargs="+", type=Path, help="what harness.py wrote with --results")
    parser.add_argument("--json", type=Path, help="the report to renew")
    parser.add_argument("--readme", type=Path, help="the file whose tables to renew")
    options = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in options.results]
    if options.json:
        reports = renewed(options.json, reports)
        options.json.write_text(json.dumps(reports, indent=1) + "\n")
    if options.readme:
        put_into(options.readme, table(reports))
    else:
        print(table(reports))


if __name__ == "__main__":
    main()

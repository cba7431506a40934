"""The report of all clients: `report.py RESULTS…` prints the tables of docs/compatibility.md.

Uses only the standard library. `--json FILE` replaces the rows of these clients in a report, and the tables then show
everything in it. `--page FILE` writes the tables between the two marks in that file instead of printing them.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN_MARK = "<!-- compat table -->"
END_MARK = "<!-- /compat table -->"
# The stories that each column summarises.
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
    """`yes`, or the stories that did not pass. A skipped story needs something that the client does not have."""
    by_story = {story: outcomes.get(story, "not run") for story in stories}
    if all(outcome == "pass" for outcome in by_story.values()):
        return "yes"
    if all(outcome == "skip" for outcome in by_story.values()):
        return "the client cannot"
    failures = [f"{story}: {outcome}" for story, outcome in by_story.items() if outcome not in {"pass", "skip"}]
    if failures:
        return "; ".join(failures)
    return "yes, without " + ", ".join(story for story, outcome in by_story.items() if outcome == "skip")


def name_of(report: Mapping[str, Any]) -> str:
    name: str = report["client"].removesuffix(f"-{report['version']}")
    return name


def is_client(report: Mapping[str, Any]) -> bool:
    """Whether it ran the stories that all clients share, and not stories of its own folder."""
    known = {story for stories in COLUMNS.values() for story in stories}
    return any(row["story"] in known for row in report["stories"])


def summary(report: Mapping[str, Any]) -> str:
    """The stories of a tool or system that pass, and the outcome of the others."""
    passed = [row["story"] for row in report["stories"] if row["outcome"] == "pass"]
    others = [f"{row['story']}: {row['outcome']}" for row in report["stories"] if row["outcome"] != "pass"]
    return ", ".join(passed) + (f"; {'; '.join(others)}" if others else "")


def markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rest])


def table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a table of the clients, and a table of the tools and systems, which have stories of their own."""
    clients, systems = [["client", "version", *COLUMNS]], [["system or tool", "version", "stories that pass"]]
    for report in reports:
        first_cells = [name_of(report), report["version"]]
        if is_client(report):
            outcomes = {row["story"]: row["outcome"] for row in report["stories"]}
            clients.append([*first_cells, *(cell(outcomes, stories) for stories in COLUMNS.values())])
        else:
            systems.append([*first_cells, summary(report)])
    return "\n\n".join(markdown(rows) for rows in (clients, systems) if len(rows) > 1)


def updated(path: Path, reports: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The reports in the file, with the new ones in place of older ones of the same clients."""
    older = json.loads(path.read_text()) if path.exists() else []
    by_client = {report["client"]: report for report in [*older, *reports]}
    return [by_client[client] for client in sorted(by_client)]


def put_into(path: Path, text: str) -> None:
    """Replace the text between the marks."""
    before, begin, rest = path.read_text().partition(BEGIN_MARK)
    _, end, after = rest.partition(END_MARK)
    if not begin or not end:
        sys.exit(f"{path} has no lines {BEGIN_MARK} and {END_MARK}. Add both; the tables are written between them.")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make one report of the results of clients.")
    parser.add_argument("results", nargs="+", type=Path, help="what harness.py wrote with --results")
    parser.add_argument("--json", type=Path, help="the report to update")
    parser.add_argument("--page", type=Path, help="the file whose tables to update")
    options = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in options.results]
    if options.json:
        reports = updated(options.json, reports)
        options.json.write_text(json.dumps(reports, indent=1) + "\n")
    if options.page:
        put_into(options.page, table(reports))
    else:
        print(table(reports))


if __name__ == "__main__":
    main()

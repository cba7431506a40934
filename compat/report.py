"""The report of all clients: `report.py RESULTS…` writes JSON, and prints the table that stands in the README.

Standard library only. `--readme FILE` puts the table between the two marks in that file instead of printing it.
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


def table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a row for each client."""
    rows = [["client", "version", *COLUMNS], ["---"] * (len(COLUMNS) + 2)]
    for report in reports:
        outcomes = {row["story"]: row["outcome"] for row in report["stories"]}
        name = report["client"].removesuffix(f"-{report['version']}")
        rows.append([name, report["version"], *(cell(outcomes, stories) for stories in COLUMNS.values())])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


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
    parser.add_argument("--json", type=Path, help="where to write the report as JSON")
    parser.add_argument("--readme", type=Path, help="the file whose table to renew")
    options = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in options.results]
    if options.json:
        options.json.write_text(json.dumps(reports, indent=1) + "\n")
    if options.readme:
        put_into(options.readme, table(reports))
    else:
        print(table(reports))


if __name__ == "__main__":
    main()

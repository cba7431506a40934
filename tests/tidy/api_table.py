"""The table of APIs in the README, made from the rows of all APIs: python -m tests.tidy.api_table"""

from higgins.kafka.apis import ROWS
from tests.tidy.imports import ROOT

README = ROOT / "README.md"
EN_DASH = "\N{EN DASH}"
BEGIN, END = "<!-- api table -->\n", "<!-- /api table -->\n"


def table() -> str:
    """One line an API that clients are told of, by name."""
    rows = ["| API | versions |", "|---|---|"]
    for api in sorted((row.api for row in ROWS.values()), key=lambda api: api.name):
        if api.advertised:
            lowest, highest = api.advertised
            versions = str(lowest) if lowest == highest else f"{lowest}{EN_DASH}{highest}"
            rows.append(f"| {api.name} | {versions} |")
    return "\n".join(rows) + "\n"


def parts(text: str) -> tuple[str, str, str]:
    """What stands before the table, the table, and what follows it."""
    before, _, rest = text.partition(BEGIN)
    found, _, after = rest.partition(END)
    return before, found, after


if __name__ == "__main__":
    before, _, after = parts(README.read_text())
    README.write_text(f"{before}{BEGIN}{table()}{END}{after}")

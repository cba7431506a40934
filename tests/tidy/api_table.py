"""The table of APIs in docs/compatibility.md, made from the rows of all APIs: python -m tests.tidy.api_table"""

from higgins.kafka.apis import ROWS
from tests.tidy.pages import DOCS

PAGE = DOCS / "compatibility.md"
EN_DASH = "\N{EN DASH}"
BEGIN, END = "<!-- api table -->\n", "<!-- /api table -->\n"


def table() -> str:
    """A line for each API that ApiVersions lists, sorted by name."""
    rows = ["| API | versions |", "|---|---|"]
    for api in sorted((row.api for row in ROWS.values()), key=lambda api: api.name):
        if api.advertised:
            lowest, highest = api.advertised
            versions = str(lowest) if lowest == highest else f"{lowest}{EN_DASH}{highest}"
            rows.append(f"| {api.name} | {versions} |")
    return "\n".join(rows) + "\n"


def split(text: str) -> tuple[str, str, str]:
    """The text before the table, the table, and the text after it."""
    before, _, rest = text.partition(BEGIN)
    current, _, after = rest.partition(END)
    return before, current, after


if __name__ == "__main__":
    before, _, after = split(PAGE.read_text())
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}")

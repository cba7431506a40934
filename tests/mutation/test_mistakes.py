"""The mistakes: each kind finds its own in a line of code, and none is planted where it would change no behaviour."""

import textwrap
from pathlib import Path

import pytest

from tests.mutation.__main__ import choose, find
from tests.mutation.kinds import KINDS
from tests.mutation.source import Mistake, Source

EXAMPLES = [
    ("comparison", "x = a < b", "x = (a <= b)"),
    ("comparison", "x = a is None", "x = (a is not None)"),
    ("chained", "x = 0 <= a < b", "x = (0 <= a)"),
    ("negation", "x = not (a and b)", "x = (a and b)"),
    ("connective", "x = a and b", "x = (a or b)"),
    ("connective", "x = a and b", "x = b"),
    ("guard", "if a:\n    return", "pass"),
    ("forced", "if a:\n    b()", "if False:\n    b()"),
    ("left-out", "x = [each for each in a if each.b]", "x = [each for each in a if True]"),
    ("none", "x = a is not None", "x = bool(a)"),
    ("quantifier", "x = any(a)", "x = all(a)"),
    ("wake-up", "self._changed.set()", "pass"),
    ("wake-up", "await self._changed.wait()", "pass"),
    ("reset", "self._count = 0", "pass"),
    ("reset", "del self._rows[key]", "pass"),
    ("reset", "self._rows.pop(key)", "pass"),
    ("omission", "self._count += 1", "pass"),
    ("sequence", "self.store(a)\nself.wake()", "self.wake()\nself.store(a)"),
    ("jump", "for a in b:\n    break", "for a in b:\n    pass"),
    ("once", "while a:\n    b()", "while a:\n    b()\n    break"),
    ("lock", "with self._lock:\n    a()", "if True:\n    a()"),
    ("handler", "try:\n    a()\nexcept (B, C):\n    pass", "try:\n    a()\nexcept (C,):\n    pass"),
    ("extremes", "x = min(a, b)", "x = max(a, b)"),
    ("extremes", "x = min(a, b)", "x = a"),
    ("bound", "x = a[:count]", "x = a[:None]"),
    ("bound", "x = a >= LIMIT", "x = a >= (LIMIT + 1)"),
    ("constant", "LIMIT = 100", "LIMIT = (100 // 2)"),
    ("constant", "x = a[0]", "x = a[-1]"),
    ("flag", "self.read(settled=True)", "self.read(settled=False)"),
    ("default", "def f(a, most=5):\n    return a", "def f(a, most=6):\n    return a"),
    ("arithmetic", "x = a + 1", "x = a"),
    ("arithmetic", "total += a", "total = a"),
    ("division", "x = a // b", "x = int(a / b)"),
    ("order", "x = sorted(a)", "x = list(a)"),
    ("order", "a.append(b)", "a.insert(0, b)"),
    ("order", "x = a.popleft()", "x = a.pop()"),
    ("order", "heappush(a, b)", "a.append(b)"),
    ("keyword", "self.read(a, settled=True)", "self.read(a)"),
    ("argument", "f(a, b, 1)", "f(b, a, 1)"),
    ("copy", "x = list(a)", "x = a"),
]

UNTOUCHED = '''
"""A module."""
import a

log = get(a)


def f(x: "int | None") -> "bool | None":
    """What it does."""
    assert x > 0 and x < 10
    log.info("read", count=x + 1)
    if x:
        raise ValueError("more than " + str(x + 1), x < 3)
    return f"{x + 1}"


class C:
    def __repr__(self):
        return self.a < self.b
'''


def mistakes(text: str, *kinds: str) -> list[Mistake]:
    source = Source("a.py", text, ["settled"])
    found = source.mistakes({name: KINDS[name] for name in kinds or KINDS})
    return [each for each in found if each.changes_the_program()]


def inside(text: str) -> str:
    return f"async def f(self):\n{textwrap.indent(text, '    ')}\n"


@pytest.mark.parametrize(("kind", "before", "after"), EXAMPLES)
def test_a_kind_finds_its_mistake(kind: str, before: str, after: str) -> None:
    indented = before if kind == "constant" else inside(before)
    expected = after if kind == "constant" else inside(after)
    assert expected in [each.after for each in mistakes(indented, kind)]


def test_every_kind_has_an_example() -> None:
    assert {kind for kind, *_ in EXAMPLES} == set(KINDS)


def test_text_types_and_assertions_get_no_mistakes() -> None:
    changed = {each.line: each for each in mistakes(UNTOUCHED)}
    # Only the `if` itself can be wrong.
    assert set(changed) == {UNTOUCHED[: UNTOUCHED.index("    if x")].count("\n") + 1}


def test_a_swap_that_would_use_a_name_too_early_is_not_made() -> None:
    assert not mistakes(inside("x = self.read()\nself.write(x)"), "sequence")


def test_a_keyword_that_is_required_is_not_dropped() -> None:
    assert not mistakes(inside("self.read(required=1)"), "keyword")


def test_a_mistake_shows_nothing_but_itself() -> None:
    (mistake,) = mistakes(inside("a()\nif x:  # why\n    del self.b\nc()"), "reset")
    assert mistake.diff.splitlines()[3:] == [
        "     if x:  # why",
        "-        del self.b",
        "+        pass",
        "     c()",
    ]
    assert (mistake.function, mistake.first_line, mistake.line) == ("f", 1, 4)


def test_a_mistake_keeps_its_name_when_lines_are_added_above_it() -> None:
    (before,), (after,) = (mistakes(f"{above}{inside('del a')}", "reset") for above in ("", "import b\n\n"))
    assert before.identity == after.identity


def test_the_seed_decides_which_mistakes_are_chosen_and_each_kind_has_its_turn() -> None:
    comparisons = "".join(f"if a < {i}:\n    b({i})\n" for i in range(20))
    everything = mistakes(inside(comparisons + "x = not a"), "comparison", "negation")
    chosen = [[each.identity for each in choose(everything, 6, seed)] for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert [each.kind for each in choose(everything, 3, 1)] == ["comparison", "negation", "comparison"]
    assert len(choose(everything, 0, 1)) == len(everything)


def test_a_part_of_a_room_can_be_left_out(tmp_path: Path) -> None:
    names = ("room/a.py", "room/b.py", "room/deep/c.py", "other/d.py")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = not a\n")
    found = find(tmp_path, ["room"], ["room/deep", "room/b.py"], ["negation"])
    assert [each.path for each in found] == ["room/a.py"]
    with pytest.raises(FileNotFoundError):
        find(tmp_path, ["nowhere"], [], [])

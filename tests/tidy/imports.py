"""What the product's modules import, read from their sources."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"higgins": ROOT / "higgins", "higgins_protocol": ROOT / "protocol" / "higgins_protocol"}


@dataclass(frozen=True)
class Import:
    """One import: who, on which line, and the module that is imported (with the name taken from it, if any)."""

    importer: str
    path: Path
    line: int
    module: str
    name: str = ""
    in_function: bool = False
    for_types_only: bool = False

    @property
    def where(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


@cache
def modules() -> dict[str, Path]:
    """Every module of the product, by its dotted name."""
    found: dict[str, Path] = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            if parts[-1] == "__init__":
                parts.pop()
            found[".".join(parts)] = path
    return found


def imports() -> list[Import]:
    """Every import of the product."""
    found: list[Import] = []
    for module, path in modules().items():
        _collect(ast.parse(path.read_text()), module, path, found, in_function=False, for_types_only=False)
    return found


def _collect(
    node: ast.AST, module: str, path: Path, found: list[Import], *, in_function: bool, for_types_only: bool
) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                found.append(Import(module, path, child.lineno, alias.name, "", in_function, for_types_only))
        elif isinstance(child, ast.ImportFrom):
            source = "." * child.level + (child.module or "")
            for alias in child.names:
                found.append(Import(module, path, child.lineno, source, alias.name, in_function, for_types_only))
        else:
            _collect(
                child,
                module,
                path,
                found,
                in_function=in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda),
                for_types_only=for_types_only or _guards_types(child),
            )


def _guards_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)

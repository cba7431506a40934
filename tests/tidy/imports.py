"""The imports of the product's modules, read from their source code."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"higgins": ROOT / "higgins", "higgins_protocol": ROOT / "protocol" / "higgins_protocol"}


@dataclass(frozen=True)
class Import:
    """One import: the importing module, the line, the imported module, and the imported name if there is one."""

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
    """The paths of the product's modules, by dotted name."""
    paths: dict[str, Path] = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            if parts[-1] == "__init__":
                parts.pop()
            paths[".".join(parts)] = path
    return paths


def imports() -> list[Import]:
    """All imports of the product."""
    collected: list[Import] = []
    for module, path in modules().items():
        _collect(ast.parse(path.read_text()), module, path, collected, in_function=False, for_types_only=False)
    return collected


def _collect(
    node: ast.AST, module: str, path: Path, collected: list[Import], *, in_function: bool, for_types_only: bool
) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                collected.append(Import(module, path, child.lineno, alias.name, "", in_function, for_types_only))
        elif isinstance(child, ast.ImportFrom):
            source = "." * child.level + (child.module or "")
            for alias in child.names:
                collected.append(Import(module, path, child.lineno, source, alias.name, in_function, for_types_only))
        else:
            _collect(
                child,
                module,
                path,
                collected,
                in_function=in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda),
                for_types_only=for_types_only or _guards_types(child),
            )


def _guards_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)

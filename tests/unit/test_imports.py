"""Who may import whom: read from the imports themselves."""

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
TIERS: Final = (
    {"errors", "models", "plan", "findings", "events", "run", "config", "text", "proc", "views", "gateview"}
    | {"facts", "work", "family", "account", "phases", "secret", "keyfile"},
    {"git", "git_settings", "trail", "repos", "sandbox"},
    {"core"},
    {"gate", "boundary", "roles", "forge"},
    {"stages"},
    {"engine"},
)
FOREIGN: Final = {"fastmcp", "mcp", "mcp_types", "uvicorn", "typer", "rich", "starlette"}
ADAPTERS: Final = {"pev_tools", "pev_resources", "pev_prompts"}
PACKAGES: Final = {
    "pev": ROOT / "server/pev",
    "pev_server": ROOT / "server/pev_server",
    "pev_tools": ROOT / "tools/pev_tools",
    "pev_resources": ROOT / "resources/pev_resources",
    "pev_prompts": ROOT / "prompts/pev_prompts",
}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def _modules(package: str) -> list[Path]:
    return sorted(PACKAGES[package].rglob("*.py"))


def _tier(room: str) -> int:
    return next(number for number, tier in enumerate(TIERS) if room in tier)


def _room(path: Path) -> str:
    return path.relative_to(PACKAGES["pev"]).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", _modules("pev"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_knows_no_adapter_and_points_only_down(path: Path) -> None:
    imports = _imports(path)
    tops = {name.split(".")[0] for name in imports}
    assert not tops & (FOREIGN | (set(PACKAGES) - {"pev"}))
    if path.name == "__init__.py" and path.parent == PACKAGES["pev"]:
        return
    own = _room(path)
    for name in imports:
        parts = name.split(".")
        if parts[0] == "pev" and len(parts) > 1 and parts[1] != "__version__":
            assert _tier(parts[1]) <= _tier(own), f"{own} imports {name}"


@pytest.mark.parametrize("package", sorted(ADAPTERS))
def test_an_adapter_imports_the_engine_and_deps_only(package: str) -> None:
    for path in _modules(package):
        for name in _imports(path):
            top = name.split(".")[0]
            if top in PACKAGES and top not in ("pev", package):
                assert top == "pev_server", f"{path} imports {name}"
                assert name.split(".")[1] in ("asking", "deps", "decisions"), f"{path} imports {name}"


def test_only_the_app_imports_tools_resources_and_prompts() -> None:
    for path in _modules("pev_server"):
        tops = {name.split(".")[0] for name in _imports(path)}
        assert path.name == "app.py" or not tops & ADAPTERS, path


def test_only_proc_starts_processes() -> None:
    for package in PACKAGES:
        for path in _modules(package):
            if path != PACKAGES["pev"] / "proc.py":
                banned = {"subprocess", "os.system", "os.popen", "multiprocessing", "pty"}
                assert not _imports(path) & banned, path


def test_only_dialogue_knows_the_eras() -> None:
    for package in PACKAGES:
        for path in _modules(package):
            if path.name != "dialogue.py":
                assert "MODERN_PROTOCOL_VERSIONS" not in path.read_text(encoding="utf-8"), path


def test_only_two_rooms_know_of_telemetry() -> None:
    """One of the engine, for what the trail is exported as, and one of the server."""
    for package in PACKAGES:
        for path in _modules(package):
            knows = any(name.split(".")[0] == "opentelemetry" for name in _imports(path))
            assert not knows or path.name == "telemetry.py", path


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    for package in PACKAGES:
        for path in _modules(package):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_no_function_is_longer_than_sixty_lines() -> None:
    for package in PACKAGES:
        for path in _modules(package):
            for node in ast.walk(_tree(path)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = (node.end_lineno or 0) - node.lineno + 1
                    assert length <= 60, f"{path}: {node.name} has {length} lines"


def test_every_public_name_has_a_docstring() -> None:
    for package in PACKAGES:
        for path in _modules(package):
            module = _tree(path)
            assert ast.get_docstring(module), path
            for node in ast.walk(module):
                kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
                if isinstance(node, kinds) and not node.name.startswith("_"):
                    nested = not any(node in getattr(parent, "body", []) for parent in _documented(module))
                    assert nested or ast.get_docstring(node), f"{path}: {node.name} has no docstring"


def _documented(module: ast.Module) -> list[ast.AST]:
    """The module and its public classes; functions in functions and private classes are no interface."""
    classes = [node for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    return [module, *(node for node in classes if not node.name.startswith("_"))]

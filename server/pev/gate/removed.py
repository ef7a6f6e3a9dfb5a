"""Old tests of code that a change removes or moves: what of them can still be run on the change.

A test that names what is no longer there cannot be judged by anybody but a person. Everything else in its
file can, so the file is run without those tests, and with imports that follow what moved. What is removed is
read from the sources of both sides, never from what a failure says.
"""

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pev.gate.names import imported
from pev.gate.subjects import inventory, is_test_file
from pev.gate.syntax import parse

_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SETUPS = ("setup", "teardown")
_BLOCKS = (ast.If, ast.Try, ast.With)


@dataclass(frozen=True, slots=True)
class Removed:
    """Dotted names that the base's product offers and the change's does not, and members of its classes."""

    names: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Adapted:
    """A base's test file as far as it can run; `dropped` tests name `gone` code, `moved` has a new import."""

    source: str
    dropped: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


@dataclass(slots=True)
class _Offer:
    """What one side's changed modules offer; an open module may offer anything."""

    names: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)


def find_removed(old: Iterable[tuple[str, str]], new: Iterable[tuple[str, str]], root: str) -> Removed:
    """Compare the changed product files of both sides, each given as path and source."""
    before, after = _offered(old, root), _offered(new, root)
    gone = {
        name
        for name in before.names - after.names
        if not any(name.startswith(f"{module}.") for module in after.open)
    }
    return Removed(frozenset(gone), frozenset(before.members - after.members))


def _offered(files: Iterable[tuple[str, str]], root: str) -> _Offer:
    out = _Offer()
    for path, source in files:
        tree = parse(source)
        if tree is None:
            continue
        bound = set(_bound(tree.body))
        for module in _modules(path, root):
            out.names |= {module, *(f"{module}.{name}" for name in bound)}
            if bound & {"*", "__getattr__"}:
                out.open.add(module)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                out.members |= set(_bound(node.body))
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                out.members.add(node.attr)
    return out


def _modules(path: str, root: str) -> Iterator[str]:
    """Give the dotted names under which a file may be imported."""
    pure = PurePosixPath(path).with_suffix("")
    for top in {".", "src", "lib", root, f"{root}/src", f"{root}/lib"}:
        if pure.is_relative_to(top):
            parts = pure.relative_to(top).parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Give the names that statements of a module or a class bind."""
    for node in body:
        if isinstance(node, (*_DEFS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name for name, _ in imported(node))
        else:
            yield from (
                inner.id
                for inner in ast.walk(node)
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
            )
            for block in ("body", "orelse", "finalbody", "handlers"):
                inner_body = getattr(node, block, [])
                yield from _bound(part for part in inner_body if isinstance(part, ast.stmt))
                for handler in (part for part in inner_body if isinstance(part, ast.ExceptHandler)):
                    yield from _bound(handler.body)


def adapt(path: str, base: str, candidate: str | None, removed: Collection[str]) -> Adapted | None:
    """Give the base's version of a test file as far as it can run, or None if all of it can."""
    tree, theirs = parse(base), parse(candidate or "")
    if tree is None or not removed:
        return None
    work = _Adapting(removed, {} if theirs is None else dict(_imports(theirs)))
    body = work.imports(tree.body)
    while work.cut(body):
        pass
    if not work.gone and not work.moved:
        return None
    tree.body = body or [ast.Pass()]
    source = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    before, after = inventory(base) or {}, inventory(source) or {}
    dropped = tuple(name for name in before if name not in after) if is_test_file(path) else ()
    return Adapted(source, dropped, tuple(sorted(work.gone)), tuple(sorted(work.moved)))


def _imports(tree: ast.Module) -> Iterator[tuple[str, ast.Import | ast.ImportFrom]]:
    """Give the import of each name that a module imports outside of functions, alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                alone = (
                    ast.Import([alias])
                    if isinstance(node, ast.Import)
                    else ast.ImportFrom(node.module, [alias], node.level)
                )
                yield alias.asname or alias.name, alone


class _Adapting:
    """Takes out of a module what mentions removed code."""

    def __init__(self, removed: Collection[str], theirs: dict[str, ast.Import | ast.ImportFrom]) -> None:
        self.gone: set[str] = set()
        self.moved: set[str] = set()
        self._removed = removed
        self._theirs = theirs
        self._tainted: set[str] = set()
        self._meant: dict[str, str] = {}

    def imports(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Drop imports of what is removed, or follow them to where the change imports the same name from."""
        out: list[ast.stmt] = []
        for node in body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                out += self._import(node)
                continue
            if isinstance(node, _BLOCKS):
                for name in ("body", "orelse", "finalbody"):
                    if inner := getattr(node, name, None):
                        setattr(node, name, self.imports(inner) or [ast.Pass()])
            out.append(node)
        return out

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[ast.stmt]:
        kept = []
        for alias in node.names:
            bound = alias.asname or alias.name
            dotted = alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
            if (isinstance(node, ast.ImportFrom) and node.level) or dotted not in self._removed:
                kept.append(alias)
                if isinstance(node, ast.ImportFrom) or alias.asname:
                    self._meant[bound] = dotted
                continue
            other = self._theirs.get(bound)
            place = "" if other is None else _origin(other)
            if other is None or not place or place in self._removed:
                self.gone.add(dotted)
                self._tainted.add(bound)
            else:
                self.moved.add(f"{dotted} to {place}")
                yield other
        if kept:
            node.names = kept
            yield node

    def cut(self, body: list[ast.stmt]) -> bool:
        """Take out what mentions removed code, and give whether there was any."""
        for node in list(body):
            if isinstance(node, ast.ClassDef) and not self._rests_on_it(node):
                if self.cut(node.body):
                    node.body = node.body or [ast.Pass()]
                    return True
            elif not isinstance(node, ast.Import | ast.ImportFrom) and self._mentions(node):
                body.remove(node)
                self._tainted |= set(_bound([node]))
                return True
        return False

    def _rests_on_it(self, node: ast.ClassDef) -> bool:
        """Say whether a class cannot be made, or its tests not be set up, without removed code."""
        own = [part for part in node.body if not isinstance(part, (*_DEFS, ast.ClassDef))]
        own += [
            part for part in node.body if isinstance(part, _DEFS) and part.name.lower().startswith(_SETUPS)
        ]
        return any(self._mentions(part) for part in (*node.bases, *node.decorator_list, *own))

    def _mentions(self, node: ast.AST) -> bool:
        return any(self._is_gone(inner) for inner in ast.walk(node))

    def _is_gone(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self._tainted
        if isinstance(node, ast.arg):
            return node.arg in self._tainted
        if isinstance(node, ast.Attribute):
            return self._note(self._dotted(node)) or ast.unparse(node) in self._tainted
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._note(node.value)
        if isinstance(node, ast.Import | ast.ImportFrom):
            return any(self._note(meant) for _, meant in imported(node))
        return False

    def _note(self, dotted: str) -> bool:
        found = dotted in self._removed and "." in dotted
        if found:
            self.gone.add(dotted)
        return found

    def _dotted(self, node: ast.expr) -> str:
        if isinstance(node, ast.Attribute):
            return f"{self._dotted(node.value)}.{node.attr}"
        return self._meant.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _origin(node: ast.Import | ast.ImportFrom) -> str:
    """Give where an import of one name takes it from."""
    name = node.names[0].name
    if isinstance(node, ast.Import):
        return name
    return f"{'.' * node.level}{node.module or ''}.{name}"


def members_of(source: str, test: str) -> frozenset[str]:
    """Give the attributes that a test mentions, by its qualified name; none if there is no such test."""
    body: list[ast.stmt] = getattr(parse(source), "body", [])
    node: ast.stmt | None = None
    for part in test.partition("[")[0].split("::"):
        node = next((one for one in body if getattr(one, "name", None) == part), None)
        body = getattr(node, "body", [])
    found = ast.walk(node) if node is not None else ()
    return frozenset(inner.attr for inner in found if isinstance(inner, ast.Attribute))

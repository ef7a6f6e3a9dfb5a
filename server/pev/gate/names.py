"""What the names of a file stand for: imports are followed to dotted names, local names hide what they hide.

It errs on the side of suspicion. A name that some line of the file imports is that import everywhere, except
in a function that binds the name itself; and a module can never be sure to hide a builtin, since what it
binds may be deleted or never bound.
"""

import ast
from collections.abc import Iterator
from typing import Final

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES: Final = (*_FUNCTIONS, *_COMPREHENSIONS)


class Names:
    """The names of one file, and the parent of each of its nodes."""

    def __init__(self, tree: ast.Module) -> None:
        self.nodes = list(ast.walk(tree))
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        self.imports: dict[str, set[str]] = {}
        for node in self.nodes:
            for bound, meant in imported(node):
                self.imports.setdefault(bound, set()).add(meant)
        self.known = {meant for every in self.imports.values() for meant in every}
        self._local: dict[ast.AST, frozenset[str]] = {}
        self._top = _top_level(tree)

    def meanings(self, node: ast.AST) -> set[str]:
        """Give the dotted names that a name or a chain of attributes may stand for; none for other nodes."""
        if isinstance(node, ast.Name):
            if self.is_local(node):
                return set()
            return self.imports.get(node.id) or (set() if self._hides(node) else {node.id})
        if isinstance(node, ast.Attribute):
            before = self.meanings(node.value) or ({"?"} if not isinstance(node.value, ast.Call) else set())
            return {f"{name}.{node.attr}" for name in before}
        return set()

    def is_builtin(self, node: ast.AST, name: str) -> bool:
        """Say whether a node is the builtin of this name."""
        return bool({name, f"builtins.{name}"} & self.meanings(node))

    def is_local(self, node: ast.Name) -> bool:
        """Say whether a function around the node binds its name otherwise than by an import."""
        here: ast.AST | None = self.parents.get(node)
        while here is not None:
            if isinstance(here, _SCOPES):
                if here not in self._local:
                    self._local[here] = frozenset(_bound_in(here))
                if node.id in self._local[here]:
                    return True
            here = self.parents.get(here)
        return False

    def _hides(self, node: ast.Name) -> bool:
        return self._top.get(node.id, node.lineno) < node.lineno


def imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Give the names that an import binds, each with the dotted name that it stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
    elif isinstance(node, ast.ImportFrom):
        origin = "." * node.level + (node.module or "")
        for alias in node.names:
            yield alias.asname or alias.name, f"{origin}.{alias.name}"


def _top_level(tree: ast.Module) -> dict[str, int]:
    """Give the lines from which the module itself binds a name for sure, so that it is no builtin."""
    out: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            out.setdefault(node.name, node.lineno)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    out.setdefault(target.id, node.lineno)
    gone = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)
    }
    return {name: line for name, line in out.items() if name not in gone}


def _bound_in(scope: ast.AST) -> Iterator[str]:
    """Give the names that belong to a function or a comprehension, without what it imports."""
    bound: set[str] = set()
    shared: set[str] = set()
    todo = list(ast.iter_child_nodes(scope))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            shared.update(node.names)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            shared.update(name for name, _ in imported(node))
        todo += ast.iter_child_nodes(node)
    yield from bound - shared

"""Finds the ways around a scanner that knows calls by their names: risky calls that it has no rule for,
and known ones that are taken as values, looked up in a namespace, or reached through another module.

Honest code does some of it now and then, so most is held for a person. What is there on the base is old.
"""

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from pev.findings import Effect
from pev.gate.mappings import find_mappings
from pev.gate.names import Names, imported
from pev.gate.shells import is_searched, shell_text
from pev.gate.syntax import parse

_MODULES: Final = {"os", "posix", "nt", "subprocess", "pty", "builtins", "ctypes", "_ctypes"}
_CODE: Final = {"eval", "exec", "compile", "__import__"}
# bandit has rules for calls of these, under their own names only
_SCANNED: Final = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "pickle.load",
    "pickle.loads",
    "marshal.load",
    "marshal.loads",
}
_UNSCANNED: Final = {
    "asyncio.create_subprocess_shell",
    "asyncio.subprocess.create_subprocess_shell",
    "pty.spawn",
    "posix.system",
    "nt.system",
    "_posixsubprocess.fork_exec",
    "runpy.run_path",
    "runpy.run_module",
    "code.interact",
    "code.InteractiveInterpreter",
    "code.InteractiveConsole",
    "imp.load_source",
    "importlib.machinery.SourceFileLoader",
    "importlib.machinery.SourcelessFileLoader",
    "importlib.machinery.ExtensionFileLoader",
    "importlib.util.spec_from_file_location",
    "zipimport.zipimporter",
    *(f"builtins.{name}" for name in _CODE),
    *(
        f"ctypes.{name}"
        for name in ("CDLL", "PyDLL", "WinDLL", "OleDLL", "cdll", "pydll", "windll", "oledll")
    ),
    *(
        f"ctypes.{name}"
        for name in ("pythonapi", "CFUNCTYPE", "PYFUNCTYPE", "memmove", "memset", "util.find_library")
    ),
}
_CALLED: Final = {"types.FunctionType", "types.LambdaType", "types.CodeType"}
# these run their first argument, unless that is plain to see
_TEXTS: Final = {
    "compile",
    "timeit.timeit",
    "timeit.repeat",
    "timeit.Timer",
    "cProfile.run",
    "cProfile.runctx",
    "profile.run",
    "pdb.run",
    "pdb.runeval",
}
# these find a module, or a name in one, by a text
_FINDERS: Final = {
    "__import__",
    "importlib.import_module",
    "importlib.__import__",
    "operator.attrgetter",
    "operator.methodcaller",
    "pkgutil.resolve_name",
    "pydoc.locate",
}
_NATIVE: Final = {"cffi", "_ctypes", "_posixsubprocess", "_cffi_backend"}
_RISKY: Final = _SCANNED | _UNSCANNED | _CODE
_METHODS: Final = {"subprocess_shell"}
_LOOKING: Final = {"hasattr", "isinstance", "setattr", "delattr", "getattr"}
_REPLACING: Final = {"setattr", "delattr", "object", "spy"}
_GETTERS: Final = {"get", "pop", "setdefault", "__getitem__"}
_TREE: Final = {"__base__", "__bases__", "__mro__", "mro"}
_UNKNOWN: Final = "no scanner has a rule for it"
_WRITTEN: Final = "Call it by its own name where it is used; a person can allow this one finding."
_SAFE: Final = "Use the safe form, such as a list of arguments without a shell; a person can allow this one."


class Detour(NamedTuple):
    """A way around the scanner; `named` stays the same when the line is edited."""

    line: int
    rule: str
    named: str
    what: str
    effect: Effect
    help: str


def find_detours(source: str | bytes, *, in_tests: bool = False) -> Iterator[Detour]:
    """List the detours of a file; a file that is not Python has none. Tests may hand a module to a mock."""
    tree = parse(source)
    if tree is None:
        return
    names = Names(tree)
    for node in names.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _in_import(node)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield from _in_name(names, node, in_tests=in_tests)
        elif isinstance(node, ast.Call):
            yield from _in_call(names, node)
        elif isinstance(node, ast.Subscript):
            yield from _in_lookup(names, node, node.value, node.slice)
        elif shell := shell_text(node):
            yield _call(node, f"{shell} -c", "the text that it runs is not written here")
    for one in find_mappings(names):
        yield Detour(one.line, "keyword-mapping", one.what, one.what, Effect.HOLDS, _SAFE)


def _call(node: ast.AST, name: str, why: str) -> Detour:
    return Detour(_line(node), "risky-call", name, f"{name} is used, and {why}", Effect.HOLDS, _SAFE)


def _value(node: ast.AST, name: str, what: str) -> Detour:
    return Detour(_line(node), "risky-value", name, f"{name} {what}", Effect.HOLDS, _WRITTEN)


def _lookup(node: ast.AST, name: str, *, certain: bool = False) -> Detour:
    effect = Effect.BLOCKS if certain else Effect.HOLDS
    return Detour(_line(node), "hidden-lookup", name, f"{name} is looked up by a text", effect, _WRITTEN)


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 1))


def _in_import(node: ast.Import | ast.ImportFrom) -> Iterator[Detour]:
    for bound, meant in imported(node):
        root = meant.partition(".")[0]
        if root in _NATIVE:
            yield _call(node, root, "no scanner follows calls of C libraries")
        elif bound == "*" and root in _MODULES:
            yield _value(node, root, "gives all its names, which no scanner follows")


def _in_name(names: Names, node: ast.Name | ast.Attribute, *, in_tests: bool) -> Iterator[Detour]:
    """Judge a name that is read: is it risky by itself, and is it called where a scanner sees it?"""
    if isinstance(node, ast.Name) and node.id == "__builtins__":
        yield _lookup(node, node.id)
    parent = names.parents.get(node)
    if isinstance(node, ast.Attribute):
        yield from _in_attribute(names, node, parent)
    if "sys.modules" in names.meanings(node):
        yield from _in_modules(node, parent, in_tests=in_tests)
    for name in sorted(names.meanings(node)):
        owner, _, last = name.rpartition(".")
        own = last if last in _MODULES and owner in names.known else _own_name(name)
        if own is None:
            continue
        called = isinstance(parent, ast.Call) and parent.func is node
        if isinstance(parent, ast.Compare) or _is_looked_at(names, parent, node, in_tests=in_tests):
            continue
        if own in _MODULES:
            if not isinstance(parent, ast.Attribute):
                yield _value(
                    node, f"the module {own}", "is passed on, so that no scanner sees what is used of it"
                )
        elif own in _UNSCANNED or (own != name and called):
            yield _call(node, own, _UNKNOWN)
        elif not called and own in _RISKY:
            yield _value(node, own, "is taken under another name")


def _in_modules(
    node: ast.Name | ast.Attribute, parent: ast.AST | None, *, in_tests: bool
) -> Iterator[Detour]:
    """Judge a use of `sys.modules` as a whole."""
    if isinstance(parent, ast.Assign):
        yield _value(node, "sys.modules", "is taken under another name")
    elif is_searched(node, parent) and not in_tests:
        yield _value(node, "sys.modules", "is searched, and no name shows for what")


def _own_name(name: str) -> str | None:
    """Give the risky function or module that a dotted name ends in, or None."""
    if name in _RISKY or name in _MODULES:
        return name
    parts = name.split(".")
    for start in range(1, len(parts) - 1):
        rest = ".".join(parts[start:])
        if rest in _RISKY and parts[start] in _MODULES:
            return rest
    return None


def _is_risky(name: str) -> bool:
    own = _own_name(name)
    return own is not None and own not in _MODULES


def _is_looked_at(names: Names, parent: ast.AST | None, node: ast.AST, *, in_tests: bool) -> bool:
    """Say whether a name is only an argument of something that looks at it, or replaces it for a test."""
    if not isinstance(parent, ast.Call) or parent.func is node:
        return False
    if in_tests and isinstance(parent.func, ast.Attribute) and parent.func.attr in _REPLACING:
        return True
    return any(names.is_builtin(parent.func, name) for name in _LOOKING)


def _in_attribute(names: Names, node: ast.Attribute, parent: ast.AST | None) -> Iterator[Detour]:
    if node.attr in _METHODS:
        yield _call(node, node.attr, _UNKNOWN)
    elif node.attr == "f_builtins" or (node.attr == "__builtins__"):
        yield _lookup(node, node.attr)
    elif node.attr == "__dict__" and names.meanings(node.value) & _MODULES:
        yield _lookup(node, ast.unparse(node))
    elif node.attr == "__subclasses__" and _climbs(names, node.value):
        yield _lookup(node, "__subclasses__ of object")
    elif node.attr == "replace" and isinstance(node.value, ast.Attribute) and node.value.attr == "__code__":
        yield _call(parent or node, "__code__.replace", "the code that runs is not the code that is read")


def _climbs(names: Names, node: ast.expr) -> bool:
    inner = [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)]
    return bool(_TREE.intersection(inner)) or names.is_builtin(node, "object")


def _in_call(names: Names, node: ast.Call) -> Iterator[Detour]:
    meant = names.meanings(node.func)
    for name in sorted(meant & _CALLED):
        yield _call(node, name, "it runs code that is not written here")
    for name in sorted(meant & _TEXTS):
        if not (node.args and _is_plain(node.args[0])) and not _only_parses(node):
            yield _call(node, name, "the text that it runs is not written here")
    first = node.args[0] if node.args else None
    if first is None:
        return
    if names.is_builtin(node.func, "getattr") and len(node.args) > 1:
        yield from _in_getattr(names, node, first, node.args[1])
    elif meant & _FINDERS:
        if isinstance(first, ast.Constant) and (found := _found_by(str(first.value))):
            yield _lookup(node, found)
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _GETTERS:
        yield from _in_lookup(names, node, node.func.value, first)


def _found_by(text: str) -> str:
    """Say which risky thing a text such as `os`, `os.system` or `shutil:os.system` leads to, or give ""."""
    if text in _MODULES:
        return f"the module {text}"
    dotted = f"?.{text.replace(':', '.')}"
    return text if _is_risky(dotted) or text in _CODE else ""


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.Lambda)


def _only_parses(node: ast.Call) -> bool:
    return any("ONLY_AST" in ast.unparse(arg) for arg in (*node.args[3:], *(w.value for w in node.keywords)))


def _in_getattr(names: Names, node: ast.Call, owner: ast.expr, key: ast.expr) -> Iterator[Detour]:
    for name in sorted(names.meanings(owner)):
        if not isinstance(key, ast.Constant):
            if name in _MODULES:
                yield _lookup(node, f"a name of {name}")
        elif _is_risky(f"{name}.{key.value!s}") or (key.value in _MODULES and name in names.known):
            yield _lookup(node, f"{name}.{key.value!s}")


def _in_lookup(names: Names, node: ast.AST, space: ast.expr, key: ast.expr) -> Iterator[Detour]:
    """Judge `space[key]`, where the space is that of a module, of this file, or of all modules."""
    if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
        return
    if "sys.modules" in names.meanings(space):
        if key.value in _MODULES:
            yield _lookup(node, f"the module {key.value}")
        return
    if _is_own_space(names, space):
        meant = names.imports.get(key.value, set()) | {key.value}
        if meant & (_RISKY | _MODULES | {"__builtins__"}):
            yield _lookup(node, key.value)
        return
    owner = _owner(names, space)
    for name in sorted(names.meanings(owner)) if owner is not None else ():
        if _is_risky(f"{name}.{key.value}"):
            yield _lookup(node, f"{name}.{key.value}", certain=True)


def _is_own_space(names: Names, space: ast.expr) -> bool:
    """Say whether an expression gives the names of a file: `globals()`, or those of some function's file."""
    if isinstance(space, ast.Attribute):
        return space.attr in ("__globals__", "f_globals")
    return isinstance(space, ast.Call) and any(
        names.is_builtin(space.func, name) for name in ("globals", "locals", "vars") if not space.args
    )


def _owner(names: Names, space: ast.expr) -> ast.expr | None:
    """Give whose names an expression holds: that of `vars(x)` or `x.__dict__`."""
    if isinstance(space, ast.Attribute) and space.attr == "__dict__":
        return space.value
    if isinstance(space, ast.Call) and space.args and names.is_builtin(space.func, "vars"):
        return space.args[0]
    return None

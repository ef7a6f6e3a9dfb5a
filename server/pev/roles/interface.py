"""The public interface of Python source: names, signatures, first lines of docstrings; no bodies.

This is what the tester may see of the code as it was before a change.
"""

import ast


def _first_line(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    text = ast.get_docstring(node)
    return text.splitlines()[0] if text else ""


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, indent: str) -> list[str]:
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    lines = [f"{indent}{kind} {node.name}({ast.unparse(node.args)}){returns}: ..."]
    said = _first_line(node)
    return [*lines, f'{indent}    """{said}"""'] if said else lines


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in ("__init__", "__call__")


def _members(body: list[ast.stmt], indent: str) -> list[str]:
    out: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(node.name):
            out += _function(node, indent)
        elif isinstance(node, ast.ClassDef) and _is_public(node.name):
            bases = ", ".join(ast.unparse(base) for base in node.bases)
            out.append(f"{indent}class {node.name}({bases}):" if bases else f"{indent}class {node.name}:")
            out += _members(node.body, indent + "    ") or [f"{indent}    ..."]
        elif isinstance(node, ast.AnnAssign) and _is_public(ast.unparse(node.target)):
            out.append(f"{indent}{ast.unparse(node.target)}: {ast.unparse(node.annotation)}")
    return out


def public_interface(source: str, path: str) -> str:
    """Give the public interface of a module; a note where it does not parse; empty where it has none."""
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return f"# {path}: does not parse"
    members = _members(module.body, "")
    if not members:
        return ""
    said = _first_line(module)
    return "\n".join([f"# {path}" + (f": {said}" if said else ""), *members])

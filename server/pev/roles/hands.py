"""The tools that an author's model is given: files and commands of the run's worktree, and nothing else."""

from typing import Any, Final

from pev.roles.asker import ToolSpec

_PATH: Final = {"type": "string", "description": "path relative to the worktree, with /"}


def _spec(name: str, description: str, required: tuple[str, ...], **properties: Any) -> ToolSpec:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return ToolSpec(name=name, description=description, parameters=parameters)


HANDS: Final = (
    _spec(
        "list_files",
        "List files of the worktree.",
        (),
        pattern={"type": "string", "description": "glob, ** for any depth"},
    ),
    _spec(
        "search_files",
        "Search files of the worktree, line by line.",
        ("pattern",),
        pattern={"type": "string", "description": "regular expression"},
        glob={"type": "string", "description": "which files to look into"},
    ),
    _spec("read_file", "Read a text file of the worktree.", ("path",), path=_PATH),
    _spec(
        "write_file",
        "Write a text file, whole; folders are made.",
        ("path", "content"),
        path=_PATH,
        content={"type": "string"},
    ),
    _spec(
        "edit_file",
        "Replace a text that stands exactly once in a file.",
        ("path", "old", "new"),
        path=_PATH,
        old={"type": "string"},
        new={"type": "string"},
    ),
    _spec(
        "run_command",
        "Run a program in the worktree, without a shell; the project's environment is first in its PATH.",
        ("argv",),
        argv={"type": "array", "items": {"type": "string"}, "description": "program and arguments"},
    ),
)

"""Writes the generated parts of README.md, and the snapshots of the MCP surface in tests/snapshots.

`--check` changes nothing and fails where something differs.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from fastmcp import Client

from pev.config import Config
from pev.roles.sight import HOLDABLE
from pev_server.app import create_app
from pev_server.cli.exits import MEANING

ROOT: Final = Path(__file__).resolve().parents[1]
SETTINGS: Final = {
    "state_dir": "trail, depots, keys; never on a network file system",
    "cache_dir": "environments and other things that can be made again",
    "worktree_dir": "where worktrees are made (default: below the state directory)",
    "repos": "allowed repositories, name to path",
    "allow_roots": "allow the roots that a local host declares",
    "allow_submodules": "work in repositories with sub-modules, whose commits are on this disk",
    "allow_lfs": "work in repositories with Git LFS files, whose objects are on this disk",
    "trusted_ref": "the trusted ref, where the remote's default branch is not it",
    "audit_service": "where advisories come from: `pypi` or `osv`",
    "audit_osv_url": "address of a mirror of OSV",
    "check_limit_s": "longest time for one check, in seconds",
    "gate_wait_s": "how long `run_gate` waits before it answers that the gate is running",
    "decision_ttl_s": "how long a question to a person stands",
    "ask_wait_s": "how long a tool waits for a person or a model",
    "max_attempts": "failed gates of a run before a person is asked",
    "max_command_s": "longest time for `run_command`",
    "output_bytes": "how much of a program's output is kept",
    "cores": "how many checks run at the same time",
    "push": "push the branch of a pull request to the remote",
    "remote": "the remote to push to",
    "sandbox": "how commands are confined: `auto` (the strongest that holds here), `bubblewrap`, `landlock`,"
    " `seatbelt`, or `none`",
    "allow_hosts": "hosts that a trusted policy may ask for, as `example.com:443` or `*.example.com:443`",
    "allow_read": "folders that a trusted policy may ask to read",
    "bwrap_path": "the bubblewrap to use (default: on the PATH, then PEV's own)",
    "max_memory_bytes": "memory of one command (default: three quarters of the machine's)",
    "max_processes": "processes of one command",
    "max_file_bytes": "largest file that a command may write",
    "max_tmp_bytes": "size of a command's private /tmp",
    "bot_name": "author of PEV's commits",
    "bot_email": "address of that author",
    "resources_as_tools": "offer resources as tools, for hosts that cannot read them",
    "pass_env": "names of variables that a trusted policy may ask for",
    "allowed_signers": "who may sign decisions, as ssh-keygen reads it (default: `.pev/allowed_signers` of"
    " the trusted ref)",
    "forge": "where pull requests are opened: `kind` (`local`, `remote`, `github`, `gitlab`), `api_url`,"
    " `project`, `token_file`, `token_command` or `token_env`, `draft`, `labels`, `reviewers`",
    "auth": "whose tokens count over HTTP: `issuer`, `audience`, `resource_url`, and one of `jwks_url`,"
    " `public_key_file`, `introspection_url`; also `tenant_claim`, and `page` for people's own login",
    "provider": "a model for roles where no host lends one: `model`, and `key_env` or `key_command`",
    "trail": "how the trail is signed and who saw it: `origin`, `key_file`, `witnesses` (each `vkey`, `url`),"
    " `witnesses_needed`; what it must not keep: `redact` (kind to pattern), `retention_days` (kind of event"
    " to days)",
}


async def read_surface() -> dict[str, Any]:
    """Ask a real client what the server offers."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(state_dir=Path(folder) / "state", cache_dir=Path(folder) / "cache")
        only_roles: dict[str, Any] = {}
        for role in HOLDABLE:  # what a session without a role is not offered
            async with Client(create_app(config, role=role)) as client:
                only_roles |= {one.name: _dump(one) for one in await client.list_tools()}
        async with Client(create_app(config)) as client:
            surface = {
                "tools": [_dump(one) for one in await client.list_tools()],
                "resources": [_dump(one) for one in await client.list_resources()],
                "templates": [_dump(one) for one in await client.list_resource_templates()],
                "prompts": [_dump(one) for one in await client.list_prompts()],
            }
    offered = {one["name"] for one in surface["tools"]}
    surface["tools"] += [tool for name, tool in only_roles.items() if name not in offered]
    return surface


def _dump(item: Any) -> dict[str, Any]:
    value: dict[str, Any] = item.model_dump(mode="json", by_alias=True, exclude_none=True)
    value.pop("_meta", None)
    return value


def snapshots(surface: dict[str, Any]) -> dict[str, str]:
    """Give the text of each snapshot, by its file name."""
    key = {"tools": "name", "resources": "uri", "templates": "uriTemplate", "prompts": "name"}
    return {
        f"{kind}.json": json.dumps(sorted(items, key=lambda one: str(one[key[kind]])), indent=1) + "\n"
        for kind, items in surface.items()
    }


def tool_table(surface: dict[str, Any]) -> str:
    """Give the README's table of tools."""
    rows = ["| tool | does | changes |", "|---|---|---|"]
    for tool in surface["tools"]:
        first = " ".join(tool["description"].split("\n\n")[0].split())
        hints = tool["annotations"]
        changes = "nothing" if hints["readOnlyHint"] else "can remove" if hints["destructiveHint"] else "adds"
        rows.append(f"| `{tool['name']}` | {first} | {changes} |")
    return "\n".join(rows)


def exit_table() -> str:
    """Give the README's table of exit codes."""
    return "\n".join(
        ["| exit | means |", "|---|---|", *(f"| {code.value} | {text} |" for code, text in MEANING.items())]
    )


def settings_table() -> str:
    """Give the README's table of settings. Every field of the configuration must be described."""
    fields = list(Config.model_fields)
    if set(fields) != set(SETTINGS):
        raise SystemExit(f"describe these settings: {sorted(set(fields) ^ set(SETTINGS))}")
    rows = ["| setting | variable | meaning |", "|---|---|---|"]
    rows += [f"| `{name}` | `PEV_{name.upper()}` | {SETTINGS[name]} |" for name in fields]
    return "\n".join(rows)


def filled(readme: str, surface: dict[str, Any]) -> str:
    """Give the README with its generated parts made anew."""
    parts = {"tools": tool_table(surface), "exits": exit_table(), "settings": settings_table()}
    for name, text in parts.items():
        begin = re.search(rf"<!-- {name}: [^>]*-->\n", readme)
        end = readme.find(f"<!-- /{name} -->")
        if begin is None or end < begin.end():
            raise SystemExit(f"README.md has no place for {name}")
        readme = readme[: begin.end()] + text + "\n" + readme[end:]
    return readme


def main() -> int:
    """Write, or with --check compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where something differs")
    options = parser.parse_args()
    surface = asyncio.run(read_surface())
    readme = ROOT / "README.md"
    wanted = {readme: filled(readme.read_text(encoding="utf-8"), surface)}
    wanted |= {ROOT / "tests/snapshots" / name: text for name, text in snapshots(surface).items()}
    different = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in different:
        sys.stdout.write(f"{'differs' if options.check else 'wrote'}: {path.relative_to(ROOT)}\n")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    return 1 if options.check and different else 0


if __name__ == "__main__":
    sys.exit(main())

"""Each host's own file, as its makers document it: merged, kept, copied, and written once."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pev.models import Role
from pev_server.cli import hosts, subagents
from pev_server.cli.host_files import BACKUP, HostName, config_path
from pev_server.roles import OFFERS

APP = typer.Typer()
APP.command("install")(hosts.install)
APP.command("uninstall")(hosts.uninstall)
FILES = {
    HostName.CLAUDE_CODE: (".claude.json", "mcpServers"),
    HostName.CLAUDE_DESKTOP: (".config/Claude/claude_desktop_config.json", "mcpServers"),
    HostName.CURSOR: (".cursor/mcp.json", "mcpServers"),
    HostName.VSCODE: (".config/Code/User/mcp.json", "servers"),
    HostName.CODEX: (".codex/config.toml", "mcp_servers"),
}
TOML = '# mine\nmodel = "x"  # the best\n\n[mcp_servers.other]\ncommand = "y"\n'


def pev(*args: str) -> str:
    """Run a command of the application in this process."""
    ended = CliRunner().invoke(APP, list(args))
    assert ended.exit_code == 0, ended.output
    return ended.output


def _read(host: HostName) -> dict[str, Any]:
    text = config_path(host).read_text(encoding="utf-8")
    value: dict[str, Any] = tomllib.loads(text) if host is HostName.CODEX else json.loads(text)
    return value


@pytest.mark.parametrize("host", list(HostName))
def test_an_entry_is_merged_once_and_taken_out_again(
    host: HostName, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, table = FILES[host]
    file = own_home / name
    assert config_path(host) == file
    file.parent.mkdir(parents=True, exist_ok=True)
    was = (
        TOML if host is HostName.CODEX else json.dumps({"theme": "dark", table: {"other": {"command": "y"}}})
    )
    file.write_text(was, encoding="utf-8")
    file.chmod(0o640)
    pev("install", host.value, "--yes", "--command", "/opt/pev", "--repo", f"app={tmp_path}")
    first = file.read_text(encoding="utf-8")
    value = _read(host)[table]
    assert value["other"] == {"command": "y"}
    assert value["pev"]["command"] == "/opt/pev"
    assert value["pev"]["args"] == ["serve", "--repo", f"app={tmp_path}"]
    assert file.with_name(file.name + BACKUP).read_text(encoding="utf-8") == was
    assert file.stat().st_mode & 0o777 == 0o640
    said = pev("install", host.value, "--command", "/opt/pev", "--repo", f"app={tmp_path}")
    assert "has this entry already" in said
    assert file.read_text(encoding="utf-8") == first
    pev("uninstall", host.value)
    assert "pev" not in _read(host)[table]
    assert _read(host)[table]["other"] == {"command": "y"}
    if host is HostName.CODEX:
        assert file.read_text(encoding="utf-8").startswith('# mine\nmodel = "x"  # the best\n')
    assert "has no entry" in pev("uninstall", host.value)


def test_what_each_host_documents_stands_in_its_entry(own_home: Path) -> None:
    for host in HostName:
        pev("install", host.value, "--yes", "--command", "/opt/pev", "--repo", "a=/a")
    assert _read(HostName.VSCODE)["servers"]["pev"]["type"] == "stdio"
    assert _read(HostName.CURSOR)["mcpServers"]["pev"]["type"] == "stdio"
    codex = _read(HostName.CODEX)["mcp_servers"]["pev"]
    assert (codex["required"], codex["startup_timeout_sec"]) == (True, 30)
    assert config_path(HostName.CODEX).stat().st_mode & 0o777 == 0o600
    assert own_home in config_path(HostName.CODEX).parents


@pytest.mark.parametrize("host", [HostName.CURSOR, HostName.VSCODE, HostName.CODEX])
def test_a_file_that_cannot_be_read_is_left_as_it_is(host: HostName, own_home: Path) -> None:
    """VS Code allows comments, which we cannot keep: then a person adds the entry."""
    file = config_path(host)
    assert own_home in file.parents
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{ // mine\n", encoding="utf-8")
    ended = CliRunner().invoke(APP, ["install", host.value, "--yes", "--command", "/opt/pev"])
    assert ended.exit_code == 5
    assert file.read_text(encoding="utf-8") == "{ // mine\n"


def test_claude_code_gets_a_subagent_for_each_judging_role_with_that_roles_tools_alone(
    own_home: Path,
) -> None:
    pev("install", "claude-code", "--yes", "--command", "/opt/pev")
    for role in (Role.TESTER, Role.REVIEWER, Role.SECURITY):
        text = (own_home / ".claude" / "agents" / f"pev-{role}.md").read_text(encoding="utf-8")
        head = text.split("---")[1]
        fields = dict(
            line.split(": ", 1) for line in head.strip().splitlines() if ": " in line and line[0] != " "
        )
        tools = {name.strip().removeprefix(f"mcp__pev-{role}__") for name in fields["tools"].split(",")}
        assert tools == OFFERS[role].tools
        server = json.loads(head.split(f"- pev-{role}: ")[1].splitlines()[0])
        assert server == {"type": "stdio", "command": "/opt/pev", "args": ["serve", "--role", role.value]}
        assert fields["name"] == f"pev-{role}"
    assert "subagent" not in pev("install", "claude-code", "--yes", "--command", "/opt/pev")
    foreign = own_home / ".claude" / "agents" / "pev-tester.md"
    foreign.write_text("mine", encoding="utf-8")
    assert "not ours" in pev("install", "claude-code", "--yes", "--command", "/opt/pev")
    said = pev("uninstall", "claude-code")
    assert said.count("removed:") == 2
    assert foreign.read_text(encoding="utf-8") == "mine"
    assert subagents.folder() == foreign.parent

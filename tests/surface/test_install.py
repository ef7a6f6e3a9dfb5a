"""Our entry in a host's configuration: shown first, nothing else changed, undone again."""

import json
from pathlib import Path

import pytest

from support.cli import pev
from support.clients import PEV

pytestmark = pytest.mark.needs_host
OTHER = {"theme": "dark", "mcpServers": {"other": {"command": "x"}}, "name": "Zoë"}


def test_the_entry_is_written_beside_what_is_there_and_taken_out_again(
    own_home: Path, tmp_path: Path
) -> None:
    config = own_home / ".claude.json"
    config.write_text(json.dumps(OTHER), encoding="utf-8")
    config.chmod(0o640)
    ended = pev("install", "claude-code", "--yes", cwd=tmp_path)
    assert ended.code == 0, ended.err
    value = json.loads(config.read_text(encoding="utf-8"))
    assert value["mcpServers"]["pev"] == {"type": "stdio", "command": PEV, "args": ["serve"]}
    assert value["mcpServers"]["other"] == {"command": "x"}
    assert config.stat().st_mode & 0o777 == 0o640
    assert pev("uninstall", "claude-code", cwd=tmp_path).code == 0
    assert json.loads(config.read_text(encoding="utf-8")) == OTHER


def test_without_a_person_nothing_is_written(own_home: Path, tmp_path: Path) -> None:
    ended = pev("install", "claude-code", cwd=tmp_path)
    assert ended.code == 2
    assert not (own_home / ".claude.json").exists()
    assert '"pev"' in ended.out


def test_print_only_prints(own_home: Path, tmp_path: Path) -> None:
    ended = pev("install", "claude-desktop", "--print", "--repo", f"app={tmp_path}", cwd=tmp_path)
    entry = ended.json()["mcpServers"]["pev"]
    assert entry == {"command": PEV, "args": ["serve", "--repo", f"app={tmp_path}"]}
    assert not (own_home / ".config").exists()


def test_a_configuration_that_is_no_json_is_left_alone(own_home: Path, tmp_path: Path) -> None:
    config = own_home / ".claude.json"
    config.write_text("{broken", encoding="utf-8")
    ended = pev("install", "claude-code", "--yes", cwd=tmp_path)
    assert ended.code == 5
    assert "[config.invalid]" in ended.err
    assert config.read_text(encoding="utf-8") == "{broken"

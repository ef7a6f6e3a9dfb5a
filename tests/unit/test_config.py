"""The operator's configuration: file and variables, never a repository."""

from pathlib import Path

import pytest

from pev.config import AuditService, load_config
from pev.errors import ConfigInvalid


def _file(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("PEV_CONFIG", str(path))


def test_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _file(tmp_path, f'check_limit_s = 12\n[repos]\napp = "{tmp_path}"\n', monkeypatch)
    config = load_config()
    assert config.check_limit_s == 12
    assert config.repos == {"app": tmp_path}


def test_a_variable_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _file(tmp_path, 'audit_service = "pypi"\n', monkeypatch)
    monkeypatch.setenv("PEV_AUDIT_SERVICE", "osv")
    assert load_config().audit_service is AuditService.OSV


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEV_AUDIT_OSV_URL", "")
    assert load_config().audit_osv_url is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("check_limit_s = 0\n", "check_limit_s"),
        ("surprise = 1\n", "surprise"),
        ('worktree_dir = "relative"\n', "worktree_dir"),
        ('[repos]\n"a b/c" = "/x"\n', "a b/c"),
        ('sandbox = "off"\n', "sandbox"),
        ("not toml", "cannot be read"),
        ('pass_env = ["PEV_FORGE_TOKEN"]\n', "PEV_FORGE_TOKEN, which holds the forge's credential"),
        ('pass_env = ["A_KEY"]\n[provider]\nmodel = "openai:x"\nkey_env = "A_KEY"\n', "the provider's key"),
    ],
)
def test_a_fault_is_named_with_its_file(
    text: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path, text, monkeypatch)
    with pytest.raises(ConfigInvalid) as caught:
        load_config()
    assert named in caught.value.message
    assert str(tmp_path) in caught.value.hint


def test_a_dotenv_file_in_the_working_directory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working directory may be a hostile repository."""
    (tmp_path / ".env").write_text("PEV_CHECK_LIMIT_S=1\n", encoding="utf-8")
    (tmp_path / "config.toml").write_text("check_limit_s = 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_config().check_limit_s == 300

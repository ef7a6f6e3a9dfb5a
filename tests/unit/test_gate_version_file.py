"""The module with the version that a build would write, and no repository holds."""

from pathlib import Path

import pytest

from pev.gate.version_file import write_version_files


def project(folder: Path, toml: str) -> Path:
    (folder / "src" / "app").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(toml)
    return folder


def write(folder: Path, version: str = "1.2.3") -> tuple[str, ...]:
    found = write_version_files(folder, (folder / "src",), version)
    return tuple(path.relative_to(folder).as_posix() for path in found)


@pytest.mark.parametrize(
    "toml",
    [
        "[tool.setuptools_scm]\nwrite_to = 'src/app/_version.py'\n",
        "[tool.setuptools_scm]\nversion_file = 'src/app/_version.py'\n",
        "[tool.hatch.build.hooks.vcs]\nversion-file = 'src/app/_version.py'\n",
        "[tool.pdm.version]\nsource = 'scm'\nwrite_to = 'app/_version.py'\n",
        "[tool.versioningit.write]\nfile = 'src/app/_version.py'\n",
    ],
)
def test_the_module_that_a_build_would_write_is_there(tmp_path: Path, toml: str) -> None:
    """Without it the package cannot even be imported, and no test measures anything."""
    folder = project(tmp_path, toml)

    assert write(folder) == ("src/app/_version.py",)

    said: dict[str, object] = {}
    exec((folder / "src/app/_version.py").read_text(), said)  # noqa: S102 - as the package would
    assert said["__version__"] == said["version"] == "1.2.3"
    assert said["version_tuple"] == (1, 2, 3)


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = project(tmp_path, "[tool.setuptools_scm]\nwrite_to = 'src/app/_version.py'\n")
    (folder / "src/app/_version.py").write_text("version = '9'\n")

    assert write(folder) == ()
    assert (folder / "src/app/_version.py").read_text() == "version = '9'\n"


@pytest.mark.parametrize(
    "place", ["../_version.py", "/tmp/_version.py", "src/app/version.txt", "none/_version.py"]
)
def test_nothing_else_is_written(tmp_path: Path, place: str) -> None:
    """The name is the repository's; a link or a path that leads out must not be followed."""
    folder = project(tmp_path / "project", f"[tool.setuptools_scm]\nwrite_to = '{place}'\n")
    (folder / "out").symlink_to(tmp_path)

    assert write(folder) == ()


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "[tool.setuptools_scm]\nwrite_to = 'out/_version.py'\n")
    (folder / "out").symlink_to(tmp_path)

    assert write(folder) == ()
    assert not (tmp_path / "_version.py").exists()


@pytest.mark.parametrize("toml", ["", "no toml [", "tool = 1\n", "[tool]\nsetuptools_scm = true\n"])
def test_without_such_a_setting_nothing_is_written(tmp_path: Path, toml: str) -> None:
    assert write(project(tmp_path, toml)) == ()

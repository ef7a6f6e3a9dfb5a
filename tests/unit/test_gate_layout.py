"""Where a project keeps its code, read without asking its build backend."""

from pathlib import Path

import pytest

from pev.gate.environment import Built
from pev.gate.install import install
from pev.gate.layout import read_layout
from pev.models import Digest


def write(root: Path, *files: str, **texts: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    for name, text in texts.items():
        (root / name.replace("__", ".")).write_text(text)
    return root


def test_a_src_folder_is_the_root(tmp_path: Path) -> None:
    write(tmp_path, "src/app/__init__.py", "tests/test_a.py", pyproject__toml='[project]\nname = "app"\n')

    layout = read_layout(tmp_path)

    assert (layout.roots, layout.packages) == ((tmp_path / "src",), (tmp_path / "src/app",))


def test_a_flat_project_is_its_own_root(tmp_path: Path) -> None:
    write(tmp_path, "app/__init__.py", "one.py", "tests/__init__.py", "setup.py", "docs/conf.py")

    layout = read_layout(tmp_path)

    assert (layout.roots, layout.packages) == ((tmp_path,), (tmp_path / "app", tmp_path / "one.py"))


@pytest.mark.parametrize(
    "text",
    [
        '[tool.setuptools.packages.find]\nwhere = ["lib"]\n',
        '[tool.setuptools.package-dir]\n"" = "lib"\n',
        '[tool.hatch.build.targets.wheel]\npackages = ["lib/app"]\n',
        '[[tool.poetry.packages]]\ninclude = "app"\nfrom = "lib"\n',
    ],
    ids=["find", "package-dir", "hatch", "poetry"],
)
def test_build_settings_name_the_root(tmp_path: Path, text: str) -> None:
    write(tmp_path, "lib/app/__init__.py", pyproject__toml=text)

    assert read_layout(tmp_path).roots == (tmp_path / "lib",)


def test_setup_cfg_names_it_too(tmp_path: Path) -> None:
    text = "[metadata]\nname = app\nversion = 2.0\n[options]\npackage_dir =\n  = lib\n"
    write(tmp_path, "lib/app/__init__.py", setup__cfg=text)

    layout = read_layout(tmp_path)

    assert (layout.name, layout.version, layout.roots) == ("app", "2.0", (tmp_path / "lib",))


def test_a_root_outside_of_the_project_is_not_taken(tmp_path: Path) -> None:
    """The path comes from a file of the change."""
    write(tmp_path, "in/app.py", "out/app.py")
    (tmp_path / "in/pyproject.toml").write_text('[tool.setuptools.packages.find]\nwhere = ["../out", "/"]\n')

    assert read_layout(tmp_path / "in").roots == (tmp_path / "in",)


@pytest.mark.parametrize(
    ("pyproject", "code", "version"),
    [
        ('[project]\nname = "app"\nversion = "1.2"\n', "", "1.2"),
        ('[project]\nname = "app"\ndynamic = ["version"]\n', '__version__ = "3.4"\n', "3.4"),
        ('[project]\nname = "app"\ndynamic = ["version"]\n', '__version__: str = "3.5"\n', "3.5"),
        ('[project]\nname = "app"\ndynamic = ["version"]\n', "", "0.0.0"),
    ],
)
def test_the_version_is_what_is_written_down(tmp_path: Path, pyproject: str, code: str, version: str) -> None:
    write(tmp_path, "app/__init__.py", pyproject__toml=pyproject)
    (tmp_path / "app/__init__.py").write_text(code)

    assert read_layout(tmp_path).version == version


@pytest.mark.parametrize("text", ["[", "project = 3\ntool = 4\n", "[project]\nname = 3\nscripts = []\n"])
def test_a_broken_pyproject_is_read_as_far_as_it_goes(tmp_path: Path, text: str) -> None:
    write(tmp_path, "app/__init__.py", pyproject__toml=text)

    assert read_layout(tmp_path).roots == (tmp_path,)


def test_an_installed_project_has_its_metadata_and_scripts(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "my-app"\nversion = "1.0"\ndependencies = ["x>1"]\n'
        '[project.scripts]\nrun = "app:main"\n'
        'python = "app:main"\n"../evil" = "app:main"\nodd = "app:main; import os"\n'
    )
    project = write(tmp_path / "p", "src/app/__init__.py")
    (project / "pyproject.toml").write_text(text)
    env = write(tmp_path / "env", "lib/python3.11/site-packages/x.py", "bin/python")
    built = Built(
        key=Digest("0" * 64),
        folder=env,
        python=env / "bin/python",
        site=env / "lib/python3.11/site-packages",
        packages=(),
    )

    made = install(built, project, ".", tmp_path / "venv")

    site = tmp_path / "venv/lib/python3.11/site-packages"
    info = site / "my_app-1.0.dist-info"
    assert "Name: my-app\nVersion: 1.0\nRequires-Dist: x>1\n" in (info / "METADATA").read_text()
    assert "run = app:main" in (info / "entry_points.txt").read_text()
    assert (site / "_pev.pth").read_text().splitlines()[0] == str(project / "src")
    scripts = {path.name for path in (tmp_path / "venv/bin").iterdir() if not path.is_symlink()}
    assert scripts == {"run"}
    assert made.bins[0] == tmp_path / "venv/bin"


SETUP_PY = """\
from setuptools import setup

setup(
    name="old-app",
    version="1.2",
    entry_points={"console_scripts": ["old = old_app.cli:main"], "old.plugins": "one = old_app:One"},
)
"""


def test_an_old_project_says_in_setup_py_who_it_is(tmp_path: Path) -> None:
    """Its tests call the script, and ask for the version, as if it were installed."""
    write(tmp_path, "old_app/__init__.py", setup__py=SETUP_PY)

    layout = read_layout(tmp_path)

    assert (layout.name, layout.version) == ("old-app", "1.2")
    assert layout.scripts == {"old": "old_app.cli:main"}
    assert layout.entry_points == {"old.plugins": {"one": "old_app:One"}}


def test_entry_points_are_read_from_setup_cfg_and_from_a_text(tmp_path: Path) -> None:
    cfg = "[options.entry_points]\nold.plugins =\n    One = old_app:One\n"
    text = "'''\n    [console_scripts]\n    new = old_app.cli:new\n'''"
    write(tmp_path, "old_app/__init__.py", setup__cfg=cfg, setup__py=f"setup(entry_points={text})\n")

    layout = read_layout(tmp_path)

    assert layout.scripts == {"new": "old_app.cli:new"}
    assert layout.entry_points == {"old.plugins": {"One": "old_app:One"}}


@pytest.mark.parametrize(
    "script", ["setup(", "setup(entry_points=make())", "setup(entry_points='no [')", "x = 1"]
)
def test_a_setup_py_that_says_nothing_plain_says_nothing(tmp_path: Path, script: str) -> None:
    """It is never run."""
    write(tmp_path, "old_app/__init__.py", setup__py=script)

    assert read_layout(tmp_path).scripts == {}

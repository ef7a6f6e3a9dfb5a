"""Requirements are read as data, from every place that declares them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.audit import pin_of
from pev.gate.demands import EnvironmentSettings
from pev.gate.requirements import Declared, read_declared, read_script

PYPROJECT = """\
[project]
name = "app"
dependencies = ["requests>=2", "app[extra]"]
[project.optional-dependencies]
test = ["pytest-mock"]
docs = ["sphinx"]
[dependency-groups]
dev = ["ruff", {include-group = "typing"}]
typing = ["mypy"]
release = ["twine"]
"""


async def declared(
    files: dict[str, str], settings: EnvironmentSettings | None = None, root: str = "."
) -> Declared:
    async def read(path: str) -> bytes | None:
        return files[path].encode() if path in files else None

    return await read_declared(read, root, settings)


async def test_everything_that_is_declared_is_read() -> None:
    got = await declared({"pyproject.toml": PYPROJECT, "requirements.txt": "flask==3.0 # web\n"})

    assert set(got.wanted) == {
        "requests>=2",
        "pytest-mock",
        "sphinx",
        "ruff",
        "mypy",
        "twine",
        "flask==3.0",
    }
    assert got.where["flask==3.0"] == "requirements.txt"


async def test_an_environment_takes_the_usual_groups_for_tests() -> None:
    got = await declared({"pyproject.toml": PYPROJECT}, EnvironmentSettings())

    assert set(got.wanted) == {"requests>=2", "pytest-mock", "ruff", "mypy"}


async def test_an_environment_takes_what_the_policy_names() -> None:
    named = EnvironmentSettings(groups=("release",), extras=(), requirements=("ci.txt",))
    files = {"pyproject.toml": PYPROJECT, "ci.txt": "nox\n", "requirements.txt": "flask\n"}

    assert set((await declared(files, named)).wanted) == {"requests>=2", "twine", "nox"}


async def test_requirements_files_include_each_other_once() -> None:
    files = {
        "requirements.txt": "-r requirements/base.txt\n-c limits.txt\na\\\n==1\n",
        "requirements/base.txt": "-r ../requirements.txt\nb ; python_version > '3'\n",
        "limits.txt": "c<2\n",
    }

    got = await declared({k: v.replace("../", "") for k, v in files.items()})

    assert set(got.wanted) >= {"a==1", 'b; python_version > "3"'}
    assert got.constraints == ("c<2",)


async def test_hashes_are_no_part_of_a_requirement() -> None:
    got = await declared({"requirements.txt": "a==1 \\\n  --hash=sha256:00 \\\n  --hash=sha256:11\n"})

    assert (got.wanted, got.faults) == (("a==1",), ())


@pytest.mark.parametrize(
    "line",
    [
        "a @ https://example.invalid/a.whl",
        "git+https://example.invalid/a",
        "./vendored",
        "https://example.invalid/a.zip",
        "-e ../other",
        "a.whl",
    ],
)
async def test_what_is_not_from_an_index_is_direct(line: str) -> None:
    got = await declared({"requirements.txt": f"{line}\n"})

    assert len(got.direct) == 1
    assert (got.wanted, got.faults) == ((), ())


async def test_the_project_itself_in_editable_form_is_no_requirement() -> None:
    got = await declared({"requirements.txt": "-e .\n-e .[dev]\n"})

    assert (got.wanted, got.direct) == ((), ())


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "--index-url https://example.invalid\n"},
        {"requirements.txt": "-i https://example.invalid\n"},
        {"requirements.txt": "--find-links=wheels\n"},
        {"pyproject.toml": '[[tool.uv.index]]\nurl = "https://example.invalid"\n'},
        {"pyproject.toml": '[tool.uv]\nextra-index-url = ["https://example.invalid"]\n'},
    ],
)
async def test_another_index_is_named(files: dict[str, str]) -> None:
    assert len((await declared(files)).indexes) == 1


async def test_sources_of_uv_are_direct_unless_in_the_workspace() -> None:
    text = '[tool.uv.sources]\na = { git = "https://example.invalid/a" }\nb = { workspace = true }\n'

    assert (await declared({"pyproject.toml": text})).direct == ("a @ tool.uv.sources",)


async def test_a_lock_file_gives_versions_from_indexes() -> None:
    lock = (
        '[[package]]\nname = "A.b"\nversion = "1"\nsource = { registry = "x" }\n'
        '[[package]]\nname = "a-b"\nversion = "2"\nsource = { registry = "x" }\n'
        '[[package]]\nname = "app"\nversion = "1"\nsource = { editable = "." }\n'
        '[[package]]\nname = "odd"\nversion = "1"\nsource = { git = "https://example.invalid/odd" }\n'
    )

    got = await declared({"uv.lock": lock, "sub/pyproject.toml": ""}, root="sub")

    assert got.locked == {"a-b": ("1", "2")}
    assert got.direct == ("odd @ git https://example.invalid/odd (locked)",)
    assert got.indexes == ("uv.lock registry x",)
    assert got.has_lock


async def test_what_cannot_be_read_is_a_fault() -> None:
    got = await declared({"pyproject.toml": "[", "requirements.txt": "?? what\n-r gone.txt\n"})

    assert len(got.faults) == 3


@given(st.text(max_size=300))
async def test_every_text_can_be_read(text: str) -> None:
    """What an author writes never makes the gate stumble."""
    names = ("pyproject.toml", "requirements.txt", "uv.lock", "setup.cfg")

    assert isinstance(await declared(dict.fromkeys(names, text.replace("\ud800", ""))), Declared)


@pytest.mark.parametrize(
    ("line", "pin"),
    [
        ("Flask==3.0", ("flask", "3.0")),
        ("a_b[x,y]==1 ; python_version > '3'", ("a-b", "1")),
        ("a==1.*", None),
        ("a>=1", None),
        ("a==1,<2", None),
        ("a", None),
    ],
)
def test_only_an_exact_version_is_a_pin(line: str, pin: tuple[str, str] | None) -> None:
    assert pin_of(line) == pin


async def test_poetry_and_pdm_declare_in_tables_of_their_own() -> None:
    """An environment takes the groups that are usual for tests from them too."""
    text = (
        '[tool.poetry.dependencies]\npython = "^3.11"\nrequests = "^2.19"\n'
        '[tool.poetry.group.docs.dependencies]\nsphinx = "*"\n'
        '[tool.pdm.dev-dependencies]\ntest = ["pytest-mock"]\nrelease = ["twine"]\n'
    )

    everything = await declared({"pyproject.toml": text})
    chosen = await declared({"pyproject.toml": text}, EnvironmentSettings())

    assert set(everything.wanted) == {"requests<3,>=2.19", "sphinx", "pytest-mock", "twine"}
    assert set(chosen.wanted) == {"requests<3,>=2.19", "pytest-mock"}


async def test_locks_of_poetry_and_pdm_bind_what_is_installed_and_are_whole() -> None:
    lock = '[[package]]\nname = "d"\nversion = "1"\n'

    for name in ("poetry.lock", "pdm.lock"):
        chosen = await declared({name: lock}, EnvironmentSettings())
        assert (chosen.locked, chosen.locks, chosen.has_lock) == ({"d": ("1",)}, (name,), True)


async def test_needs_of_a_build_and_other_locks_are_for_the_audit_only() -> None:
    files = {
        "setup.py": "setup(install_requires=['a==1'])\n",
        "setup.cfg": "[options]\nsetup_requires = b\n[options.extras_require]\nweb = c\n",
        "Pipfile.lock": '{"default": {"d": {"version": "==1"}}}',
    }

    audited = await declared(files)
    chosen = await declared(files, EnvironmentSettings())

    assert (set(audited.wanted), audited.locked) == ({"a==1", "b", "c"}, {"d": ("1",)})
    assert (chosen.wanted, chosen.locked, audited.has_lock) == (("a==1",), {}, False)


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ('# /// script\n# dependencies = ["a==1"]\n# ///\n', ("a==1",)),
        ('# /// script\n# dependencies = [\n#   "a==1",\n# ]\n# ///\n', ("a==1",)),
        ('# /// other\n# dependencies = ["a==1"]\n# ///\n', ()),
        ("# a comment\n", ()),
    ],
)
def test_the_head_of_a_script_is_read(head: str, wanted: tuple[str, ...]) -> None:
    assert read_script(f"#!/usr/bin/env python\n{head}print()\n", "a.py").wanted == wanted


def test_a_head_that_cannot_be_read_is_a_fault() -> None:
    assert len(read_script("# /// script\n# dependencies = [\n# ///\n", "a.py").faults) == 1


async def test_an_environment_takes_what_old_projects_say_in_setup_py_and_setup_cfg() -> None:
    """Without it their tests cannot import what they test."""
    files = {
        "setup.py": "setup(install_requires=['a'], setup_requires=['b'],"
        " extras_require={'tests': ['c'], 'docs': ['d']})\n",
        "setup.cfg": "[options.extras_require]\ntest = e\ndocs = f\n",
    }

    assert set((await declared(files, EnvironmentSettings())).wanted) == {"a", "c", "e"}
    assert set((await declared(files)).wanted) == {"a", "b", "c", "d", "e", "f"}

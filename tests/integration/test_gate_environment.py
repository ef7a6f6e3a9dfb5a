"""Environments: built once, from wheels alone, and never half."""

import os
from pathlib import Path

import anyio
import pytest
from packaging.requirements import Requirement

from pev.config import Config, load_config
from pev.errors import EnvironmentUnavailable
from pev.gate.demands import EnvironmentSettings
from pev.gate.environment import Built, Environments, _test_tools
from pev.gate.requirements import Declared
from pev.models import ObjectId
from pev.repos.depot import Depot
from pev.repos.source import locate
from support.repos import PYPROJECT, UserRepoFixture
from support.wheels import make_wheel

PLAIN = EnvironmentSettings()


@pytest.fixture
def config(tmp_path: Path, offline: Path) -> Config:
    assert offline.is_dir()
    return load_config(cache_dir=tmp_path / "cache")


async def tree_of(repo: UserRepoFixture, config: Config) -> tuple[Depot, ObjectId]:
    depot = Depot(await locate(repo.path), config.state_dir)
    await depot.refresh()
    return depot, await depot.tree_of(await depot.resolve("main"))


async def test_an_environment_holds_the_test_tools_and_no_project(
    user_repo: UserRepoFixture, config: Config
) -> None:
    depot, tree = await tree_of(user_repo, config)

    built = await Environments(config).build(depot, tree, ".", PLAIN)

    assert (built.site / "pytest").is_dir()
    assert (built.site / "pytest_cov").is_dir()
    assert not list(built.site.glob("app*"))
    assert built.folder.is_relative_to(config.cache_dir)


async def test_equal_requirements_share_one_environment(user_repo: UserRepoFixture, config: Config) -> None:
    """Twenty gates that start at once build it once."""
    depot, tree = await tree_of(user_repo, config)
    made: list[Built] = []

    async def build() -> None:
        made.append(await Environments(config).build(depot, tree, ".", PLAIN))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(build)

    assert len({one.folder for one in made}) == 1
    folders = [one for one in (config.cache_dir / "envs").iterdir() if one.name not in ("locks", "resolved")]
    assert len(folders) == 1


async def test_a_half_built_environment_is_built_again(user_repo: UserRepoFixture, config: Config) -> None:
    depot, tree = await tree_of(user_repo, config)
    built = await Environments(config).build(depot, tree, ".", PLAIN)
    (built.folder / "pev-complete.json").unlink()
    (built.site / "pytest" / "__init__.py").unlink()

    again = await Environments(config).build(depot, tree, ".", PLAIN)

    assert (again.site / "pytest" / "__init__.py").is_file()


async def test_a_source_distribution_is_never_built(
    user_repo: UserRepoFixture, config: Config, offline: Path
) -> None:
    """Building runs code of whoever wrote the package."""
    (offline / "pevsource-1.0.tar.gz").write_bytes(b"no archive")
    user_repo.commit("need", {"pyproject.toml": PYPROJECT.replace("= []", '= ["pevsource"]')})
    depot, tree = await tree_of(user_repo, config)

    with pytest.raises(EnvironmentUnavailable, match="cannot be resolved from wheels"):
        await Environments(config).build(depot, tree, ".", PLAIN)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pevdemo @ https://example.invalid/pevdemo-1.0-py3-none-any.whl", "not from a package index"),
        ("no requirement at all", "is not a requirement"),
    ],
)
async def test_what_cannot_come_from_wheels_is_refused(
    user_repo: UserRepoFixture, config: Config, line: str, said: str
) -> None:
    user_repo.commit("need", {"requirements.txt": f"{line}\n"})
    depot, tree = await tree_of(user_repo, config)

    with pytest.raises(EnvironmentUnavailable, match=said):
        await Environments(config).build(depot, tree, ".", PLAIN)


async def test_the_lock_file_decides_versions(
    user_repo: UserRepoFixture, config: Config, offline: Path
) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(offline, "pevlocked", version, {"pevlocked.py": ""})
    lock = 'version = 1\n[[package]]\nname = "pevlocked"\nversion = "1.0"\nsource = { registry = "x" }\n'
    user_repo.commit(
        "need", {"pyproject.toml": PYPROJECT.replace("= []", '= ["pevlocked"]'), "uv.lock": lock}
    )
    depot, tree = await tree_of(user_repo, config)

    built = await Environments(config).build(depot, tree, ".", PLAIN)

    assert "pevlocked==1.0" in built.packages


async def test_a_repositorys_own_index_settings_are_not_used(
    user_repo: UserRepoFixture, config: Config
) -> None:
    """Otherwise a change could choose where its packages come from."""
    evil = PYPROJECT + '\n[[tool.uv.index]]\nurl = "http://127.0.0.1:1/simple"\ndefault = true\n'
    user_repo.commit(
        "index", {"pyproject.toml": evil, "uv.toml": 'index-url = "http://127.0.0.1:1/simple"\n'}
    )
    depot, tree = await tree_of(user_repo, config)

    built = await Environments(config).build(depot, tree, ".", PLAIN)

    assert (built.site / "pytest").is_dir()


async def test_an_absent_python_is_named(user_repo: UserRepoFixture, config: Config) -> None:
    depot, tree = await tree_of(user_repo, config)

    with pytest.raises(EnvironmentUnavailable, match=r"no Python 3\.99"):
        await Environments(config).build(depot, tree, ".", EnvironmentSettings(python="3.99"))


async def test_a_tool_for_development_that_is_no_wheel_keeps_no_test_from_running(
    user_repo: UserRepoFixture, config: Config, offline: Path
) -> None:
    """An old project pins formatters and builders that have no wheel for today's Python."""
    make_wheel(offline, "pevplain", "1.0", {"pevplain.py": ""})
    files = {
        "requirements/dev.txt": "-r tests.txt\npevnowhere==0.1\n",
        "requirements/tests.txt": "pevplain\n",
    }
    user_repo.commit("pins", files)
    depot, tree = await tree_of(user_repo, config)
    environments = Environments(config)

    built = await environments.build(depot, tree, ".", PLAIN)

    assert (built.site / "pevplain.py").is_file()
    assert await environments.name(depot, tree, ".", PLAIN) == built.key


async def test_that_all_cannot_be_had_is_remembered_for_an_hour(
    user_repo: UserRepoFixture, config: Config, offline: Path
) -> None:
    """A gate that changes nothing must not ask the index again; one of another day must."""
    make_wheel(offline, "pevplain", "1.0", {"pevplain.py": ""})
    files = {"requirements/dev.txt": "-r tests.txt\npevlate\n", "requirements/tests.txt": "pevplain\n"}
    user_repo.commit("pins", files)
    depot, tree = await tree_of(user_repo, config)
    least = await Environments(config).name(depot, tree, ".", PLAIN)
    make_wheel(offline, "pevlate", "1.0", {"pevlate.py": ""})

    soon = await Environments(config).name(depot, tree, ".", PLAIN)
    for mark in (config.cache_dir / "envs" / "resolved").glob("*.unsolvable"):
        os.utime(mark, (0, 0))
    later = await Environments(config).name(depot, tree, ".", PLAIN)

    assert soon == least != ""
    assert later not in ("", least)


async def test_what_tests_need_is_never_left_out(user_repo: UserRepoFixture, config: Config) -> None:
    """Tests that cannot run must not look as if nothing was asked of them."""
    user_repo.commit("pins", {"requirements/dev.txt": "", "requirements/tests.txt": "pevnowhere==0.1\n"})
    depot, tree = await tree_of(user_repo, config)

    with pytest.raises(EnvironmentUnavailable, match="pevnowhere"):
        await Environments(config).build(depot, tree, ".", PLAIN)


async def test_a_policy_that_names_its_requirements_is_taken_at_its_word(
    user_repo: UserRepoFixture, config: Config, offline: Path
) -> None:
    make_wheel(offline, "pevplain", "1.0", {"pevplain.py": ""})
    user_repo.commit("pins", {"requirements/dev.txt": "pevnowhere\n", "requirements/tests.txt": "pevplain\n"})
    depot, tree = await tree_of(user_repo, config)
    named = EnvironmentSettings(requirements=("requirements/dev.txt", "requirements/tests.txt"))

    with pytest.raises(EnvironmentUnavailable, match="pevnowhere"):
        await Environments(config).build(depot, tree, ".", named)


def test_an_old_pytest_gets_a_plugin_for_coverage_that_works_with_it() -> None:
    """One version of pytest-cov needs a newer pluggy than it says, and then no test starts."""
    (plugin,) = [Requirement(one) for one in _test_tools(Declared(wanted=("pytest==7.1.2",))) if "cov" in one]

    assert "6.1.1" in plugin.specifier
    assert "7.0.0" in plugin.specifier
    assert "6.2.0" not in plugin.specifier

"""Installs a project into its own checkout's interpreter, statically: no build backend runs.

The result is a small virtual environment per checkout that sees the dependencies and this checkout's source
folders, with the metadata that `importlib.metadata` looks for. Child processes see the same.
"""

import re
import stat
from pathlib import Path
from typing import Final

from anyio import to_thread

from pev.gate.demands import EnvironmentSettings
from pev.gate.environment import Built, Environments
from pev.gate.interface import Checkout, Depot, Interpreter, ToolboxMaker
from pev.gate.layout import Layout, read_layout
from pev.gate.outputs import private_name
from pev.gate.version_file import write_version_files
from pev.models import ObjectId

_SCRIPT: Final = """\
#!{python}
import sys

from {module} import {top}

sys.exit({call}())
"""
_ENTRY: Final = re.compile(r"^([\w.]+):([\w.]+)$")


class Interpreters(ToolboxMaker):
    """Makes interpreters: an environment of dependencies, and the project of one checkout on top."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments

    async def name(self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings) -> str:
        """Name the environment of a project; "" if it cannot be had."""
        return await self._environments.name(depot, tree, root, settings)

    async def fit(
        self, depot: Depot, checkout: Checkout, root: str, settings: EnvironmentSettings, trusted: ObjectId
    ) -> Interpreter:
        """Give an interpreter for a project of a checkout. Raises EnvironmentUnavailable."""
        built = await self._environments.build(depot, checkout.tree, root, settings)
        folder = checkout.scratch / private_name("venv", root)
        return await to_thread.run_sync(install, built, checkout.root, root, folder)


def install(
    built: Built, checkout: Path, root: str, folder: Path, seen_at: Path | None = None
) -> Interpreter:
    """Make the interpreter of a checkout's project in `folder`, which must not exist.

    It sees the project where it was read, or in another checkout of it, `seen_at`.
    """
    project = checkout if root == "." else checkout / root
    layout = read_layout(project)
    if seen_at is None:  # a checkout of ours: what a build adds to the sources must be in it
        write_version_files(project, layout.roots, layout.version)
    version = built.site.parent.name
    site = folder / "lib" / version / "site-packages"
    bins = folder / "bin"
    for path in (site, bins):
        path.mkdir(parents=True)
    base = built.python.resolve()
    (folder / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\nprompt = pev\n", encoding="utf-8"
    )
    for name in ("python", "python3", version):
        (bins / name).symlink_to(base)
    # the dependencies are a site folder of their own, so that their .pth files count; ours come first
    roots = [(seen_at or checkout) / path.relative_to(checkout) for path in layout.roots]
    lines = [*(str(path) for path in roots), f"import site; site.addsitedir({str(built.site)!r})"]
    (site / "_pev.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if layout.name:
        _write_metadata(site, layout)
    for name, target in layout.scripts.items():
        _write_script(bins, name, target)
    return Interpreter(
        python=bins / "python",
        site=built.site,
        bins=(bins, built.folder / "bin"),
        readable=(folder, built.folder, base.parent.parent),
        key=built.key,
    )


def _write_metadata(site: Path, layout: Layout) -> None:
    plain = re.sub(r"[-_.]+", "_", layout.name)
    info = site / f"{plain}-{layout.version}.dist-info"
    info.mkdir()
    needs = "".join(f"Requires-Dist: {one_line}\n" for one_line in layout.requires if "\n" not in one_line)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {layout.name}\nVersion: {layout.version}\n{needs}", encoding="utf-8"
    )
    groups = {"console_scripts": layout.scripts} if layout.scripts else {}
    text = ""
    for group, points in {**groups, **layout.entry_points}.items():
        text += f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()) + "\n"
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    (info / "INSTALLER").write_text("pev\n", encoding="utf-8")
    tops = sorted({path.stem for path in layout.packages})
    (info / "top_level.txt").write_text("\n".join(tops) + "\n", encoding="utf-8")


def _write_script(bins: Path, name: str, target: str) -> None:
    """Write a console script; a target or a name that is not plain is left out."""
    entry = _ENTRY.match(target)
    if entry is None or not re.fullmatch(r"[\w.-]+", name) or name.startswith("python"):
        return
    script = bins / name
    text = _SCRIPT.format(
        python=bins / "python", module=entry[1], top=entry[2].partition(".")[0], call=entry[2]
    )
    script.write_text(text, encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)

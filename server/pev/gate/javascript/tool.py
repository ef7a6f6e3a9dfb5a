"""What checks share that start a tool of node: a checkout with its packages, and a start by its path.

A tool is what the trusted ref locks. No script of a manifest is run, and nothing of the change is started.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pev.errors import EnvironmentUnavailable, ProjectUnsupported, ToolMissing
from pev.gate.demands import Language
from pev.gate.interface import Check, CheckJob, Checkout, Measured, Toolbox
from pev.gate.javascript.packages import read_json
from pev.gate.javascript.toolbox import NodeBox
from pev.gate.outputs import private_name
from pev.proc import Completed


class NodeTool(Check):
    """A check that is one tool of node, or another that the project chose in its place."""

    language: ClassVar[Language | None] = Language.JAVASCRIPT
    suffix: ClassVar[str] = ".js"
    needs_environment: ClassVar[bool] = True
    runs_code: ClassVar[bool] = True
    own_checkout: ClassVar[bool] = True

    async def run(self, job: CheckJob) -> Measured:
        """Run it over the project."""
        name = private_name(self.label, job.root)
        return await self.look(job, await job.bench.checkout(job.side, private=name), job.settings.paths)

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Run it over some paths; all of the project if there are none."""
        try:
            box = await node_box(job, checkout)
            measured = await self.measure(job, checkout, box, paths)
        except (EnvironmentUnavailable, ToolMissing) as exc:
            return Measured(unmeasured=str(exc), outside=not isinstance(exc, ProjectUnsupported))
        return measured.model_copy(update={"environment": box.key})

    async def measure(
        self, job: CheckJob, checkout: Checkout, box: NodeBox, paths: tuple[str, ...]
    ) -> Measured:
        """Run the tool that the project chose, and read what it says."""
        raise NotImplementedError(f"the check {self.name} has no tool")


async def node_box(job: CheckJob, checkout: Checkout) -> NodeBox:
    """Give the toolbox of a checkout's project. Raises EnvironmentUnavailable."""
    return as_node_box(await job.bench.toolbox(job.side, checkout, job.project))


def as_node_box(box: Toolbox) -> NodeBox:
    """Give a toolbox as what it is. Raises EnvironmentUnavailable if it holds no node."""
    if not isinstance(box, NodeBox):
        raise EnvironmentUnavailable("this toolbox holds no node", hint="Name a JavaScript project.")
    return box


def bin_of(box: NodeBox, package: str, name: str = "") -> Path:
    """Give the program of a package, as its own manifest names it. Raises ProjectUnsupported."""
    folder = box.package(package)
    bins = (read_json((folder / "package.json").read_bytes()) or {}).get("bin")
    target = bins if isinstance(bins, str) else (bins or {}).get(name or package.rpartition("/")[2])
    path = (folder / str(target)).resolve()
    if not isinstance(target, str) or not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise ProjectUnsupported(
            f"{package} brings no program {name or package}", hint="Lock another version of it."
        )
    return path


def version_of(box: NodeBox, package: str) -> str:
    """Give the version of an installed tool. Raises ProjectUnsupported."""
    manifest = read_json((box.package(package) / "package.json").read_bytes()) or {}
    return str(manifest.get("version") or "")


def major_of(version: str) -> int:
    """Give the first number of a version, 0 if there is none."""
    first = version.partition(".")[0]
    return int(first) if first.isdigit() else 0


def tools_of(box: NodeBox, *packages: str) -> dict[str, str]:
    """Give the versions of node and of some tools."""
    return {"node": box.versions["node"], **{name: version_of(box, name) for name in packages}}


async def start(
    job: CheckJob, checkout: Checkout, box: NodeBox, program: Path, words: Sequence[str]
) -> Completed:
    """Run a tool in the project's folder, in the sandbox, where it may write nothing of the project."""
    return await job.bench.run(
        [str(box.node), str(program), *words],
        cwd=job.folder(checkout),
        checkout=checkout,
        clock=job.clock,
        toolbox=box,
    )

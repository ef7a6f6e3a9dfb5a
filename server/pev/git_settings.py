"""What every git call is told: settings, attributes and environment that leave nothing to a repository.

Values only, and the environment made of them; pev.git is what uses them.
"""

import os
from collections.abc import Mapping
from typing import Final

from pev.proc import base_env

NOWHERE: Final = "/dev/null"

ATTRIBUTES: Final = (
    "* -text !eol -ident -filter -working-tree-encoding !diff !merge !whitespace"
    " -export-ignore -export-subst !conflict-marker-size\n"
)
"""Goes into `info/attributes`, which outranks every `.gitattributes`: bytes stay as they are."""

NEUTRAL: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.alternateRefsCommand=:",
    "core.untrackedCache=false",
    "core.autocrlf=false",
    "core.eol=lf",
    "core.safecrlf=false",
    "core.symlinks=true",
    "core.fileMode=true",
    "core.ignoreCase=false",
    "core.precomposeUnicode=false",
    "core.quotePath=false",
    "core.protectNTFS=true",
    "core.protectHFS=true",
    "core.fsync=committed,reference",
    "core.fsyncMethod=batch",
    "checkout.workers=1",
    "commit.gpgSign=false",
    "diff.ignoreSubmodules=all",
    "fetch.writeCommitGraph=false",
    "gc.auto=0",
    "init.templateDir=",
    "log.showSignature=false",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "protocol.version=2",
    "safe.directory=*",
    "submodule.recurse=false",
)
DIFF_FORMS: Final = {
    "raw": ("--raw", "-z", "--no-abbrev"),
    "numstat": ("--numstat", "-z"),
    "bare": ("-p", "-U0"),
    "whole": ("-p",),
}
"""How two trees can be compared."""

FETCH: Final = (
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--refmap=",
    "--no-recurse-submodules",
    "--no-filter",
    "--no-write-commit-graph",
    "--upload-pack=git-upload-pack",
)
"""What every fetch is told: nothing else follows, nothing else is written, nothing configured is run."""

OLD_FAULTS: Final = (
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badFilemode",
    "badName",
    "badTimezone",
    "emptyName",
    "extraHeaderEntry",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "multipleAuthors",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)
"""What git's own check dislikes about old histories that harms nobody; long-lived projects have them."""

PERSONAL: Final = (
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNUPGHOME",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)
PERSONAL_KEYS: Final = ("credential.", "http.", "ssh.", "url.", "core.sshcommand", "core.gitproxy")


def search_path() -> str:
    """Give PATH without relative entries: the working directory may be a user's repository."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if entry.startswith("/"))


def neutral_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of every git call: nothing of the caller's git, no prompts, no lazy fetches."""
    return base_env(
        {
            "PATH": search_path(),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": NOWHERE,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_ALLOW_PROTOCOL": "file",
            "GIT_ADVICE": "0",
            "GIT_EDITOR": ":",
            "GIT_PAGER": "cat",
            **(extra or {}),
        }
    )


def parse_pairs(listing: bytes) -> tuple[tuple[str, str], ...]:
    """Parse `config --null --list`: key, newline, value; a key alone means true."""
    out = []
    for item in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        key, found, value = item.partition("\n")
        out.append((key, value if found else "true"))
    return tuple(out)

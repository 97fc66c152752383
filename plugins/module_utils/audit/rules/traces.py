# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was left lying about."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import ALWAYS, Context, Finding, Rule

_GENERALISE = "Let the step generalise be the last of the recipe"
_POLICY = "/usr/sbin/policy-rc.d"
_POLICY_MARK = "# goldsmith: while the image is built"
_HISTORIES = (".histfile", ".lesshst", ".viminfo", ".local/share/fish/fish_history", ".local/state/lesshst")


def _histories(context: Context) -> Iterator[Finding]:
    patterns = {f"{home.rstrip('/')}/{name}" for dummy, home in context.accounts for name in _HISTORIES}
    homes = {home for dummy, home in context.accounts}
    for entry in context.entries:
        parent, dummy, name = entry.path.rpartition("/")
        of_home = (parent or "/") in homes and name.startswith(".") and name.endswith("history")
        if entry.type == "file" and entry.size and (of_home or entry.path in patterns):
            yield Finding(entry.path, "has what somebody typed")


def _logs(context: Context) -> Iterator[Finding]:
    for entry in context.matching("/var/log/*"):
        if entry.size:
            yield Finding(entry.path, f"has {entry.size} bytes")


def _apt_lists(context: Context) -> Iterator[Finding]:
    for entry in context.matching("/var/lib/apt/lists/*"):
        if entry.size:
            yield Finding(entry.path, f"has {entry.size} bytes")


def _apt_archives(context: Context) -> Iterator[Finding]:
    for entry in context.matching("/var/cache/apt/archives/*"):
        if entry.size:
            yield Finding(entry.path, f"has {entry.size} bytes")


def _temporary(context: Context) -> Iterator[Finding]:
    directories = ("/tmp/*", "/var/tmp/*", "/var/crash/*", "/var/lib/systemd/coredump/*")
    for entry in context.matching(*directories, types=("file", "link", "directory", "fifo", "socket")):
        yield Finding(entry.path, f"is a {entry.type} that was left there")


def _mail(context: Context) -> Iterator[Finding]:
    for entry in context.matching("/var/mail/*", "/var/spool/mail/*"):
        if entry.size:
            yield Finding(entry.path, f"has {entry.size} bytes")


def _build(context: Context) -> Iterator[Finding]:
    left = ("/.goldsmith", "/.goldsmith/*", "/tmp/builder.log", "/builder.log", f"{_POLICY}.goldsmith")
    apt = ("/etc/apt/apt.conf.d/zz-goldsmith-build-*", "/var/lib/goldsmith-apt-mirror")
    for entry in context.matching(*left, *apt, types=("file", "directory", "link")):
        yield Finding(entry.path, "is of the build alone")
    if _POLICY_MARK in context.text(_POLICY):
        yield Finding(_POLICY, "keeps services from being started, and is of the build alone")


RULES = (
    Rule(
        "histories",
        "Nobody's history of a shell, an editor or a database client is there. People type passwords into them.",
        _GENERALISE,
        _histories,
    ),
    Rule(
        "logs", "Log files are empty, and there is no journal: they tell of a machine that is none.", _GENERALISE, _logs
    ),
    Rule(
        "apt_lists",
        "There are no package lists, which are large, and old when a clone starts.",
        _GENERALISE,
        _apt_lists,
    ),
    Rule("apt_archives", "There are no downloaded packages.", _GENERALISE, _apt_archives),
    Rule("temporary", "`/tmp` and `/var/tmp` are empty, and there are no crash reports.", _GENERALISE, _temporary),
    Rule("mail", "There is no mail.", _GENERALISE, _mail),
    Rule(
        "build",
        "Nothing is left of the build itself: no directory of the engine, no policy that keeps services from starting.",
        "Report this with the build log: no recipe should be able to bring it about",
        _build,
        ALWAYS,
    ),
)

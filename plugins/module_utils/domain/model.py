# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of domains, and what comes of it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..common.cpuset import CpuSet

if t.TYPE_CHECKING:
    from .document import Document
    from .places import Place

Value = t.Union[str, int, bool, CpuSet]
"""The value of a knob, parsed: sets of CPUs as sets, sizes in bytes. libvirt's default has a word, a str."""

Status = t.Literal["already", "applied", "applied_live", "pending_restart", "refused"]
Level = t.Literal["refuse", "warn"]


def shown(value: Value | None) -> str | int | bool | None:
    """A value as results have it."""
    return str(value) if isinstance(value, CpuSet) else value


def worded(value: Value | None) -> str:
    """A value as sentences have it, which is as a wish would say it."""
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Wished:
    """What one knob is to be."""

    value: Value
    reason: str = ""
    """How the value was found, where the user did not give it: a sentence without a full stop."""


@dataclass(frozen=True)
class LiveCall:
    """A call of libvirt that changes a running domain, carried out by ``libvirt/live.py``."""

    name: str
    index: int = 0
    """Of the vCPU or iothread."""


class Aspect(t.Protocol):
    """One area of a domain's XML: a file in ``aspects``."""

    @property
    def option(self) -> str:
        """The wish's key for it."""

    @property
    def spec(self) -> Mapping[str, t.Any]:
        """Argument spec of that option."""

    def places(self, document: Document) -> dict[str, Place]:
        """Every knob that this domain has, and where its value stands."""

    def wished(self, options: t.Any, document: Document, option: str) -> dict[str, Wished]:
        """What these options ask of this domain, knob by knob.

        A knob that the domain does not have is named all the same; :meth:`absent` says then why it is refused.
        ``option`` is where the options stand, for messages. Raises BadRequestError for values that make no sense.
        """

    def absent(self, knob: str, document: Document) -> str:
        """Why the domain has no such knob: a sentence without a full stop."""


@dataclass(frozen=True)
class Found:
    """A domain as it was read."""

    name: str
    uuid: str
    state: str
    """``running``, ``paused``, ``shutoff`` and so on, as virsh(1) has them, without blanks."""
    persistent: Document | None
    """None for a transient domain."""
    live: Document | None
    """None for one that does not run."""
    managed_save: bool = False
    live_obstacles: Mapping[str, str] = field(default_factory=dict)
    """By name of a live call, why it cannot be done on this host."""
    in_effect: Mapping[str, Value] = field(default_factory=dict)
    """By name of a live call, what the domain runs with where its definition says nothing."""

    @property
    def document(self) -> Document:
        """The definition that wishes are about: the persistent one, where there is one."""
        document = self.persistent or self.live
        if document is None:
            raise ValueError(f"{self.name} has no definition")
        return document


@dataclass(frozen=True)
class Pair:
    before: Value | None
    after: Value | None

    @property
    def differs(self) -> bool:
        return self.before != self.after

    def result(self) -> dict[str, t.Any]:
        return {"before": shown(self.before), "after": shown(self.after)}


@dataclass(frozen=True)
class Finding:
    """What is wrong with a wish, or may hurt."""

    level: Level
    knob: str
    text: str
    """A sentence without a full stop."""


@dataclass(frozen=True)
class Change:
    """What becomes of one wished knob."""

    knob: str
    wished: Value | None
    """None where it could not even be said what it would be."""
    status: Status
    reason: str
    persistent: Pair | None
    live: Pair | None
    call: LiveCall | None = None
    """Where the running domain is to be changed."""
    live_value: Value | None = None
    """What the call gets: never libvirt's word for its default."""
    undo_value: Value | None = None
    """What the call gets to take it back."""
    origin: str = ""
    """Of one that waits for a restart: what of the reason stays once that is done."""

    @property
    def changed(self) -> bool:
        return self.call is not None or (self.persistent is not None and self.persistent.differs)

    def result(self) -> dict[str, t.Any]:
        return {
            "knob": self.knob,
            "wished": shown(self.wished),
            "status": self.status,
            "reason": self.reason or None,
            "persistent": None if self.persistent is None else self.persistent.result(),
            "live": None if self.live is None else self.live.result(),
        }


@dataclass(frozen=True)
class DomainPlan:
    """What is to become of one domain."""

    found: Found
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    document: Document | None
    """The definition to be made; None where it stays as it is."""
    restarted: bool = False
    """Whether the domain is shut down and started again as well."""

    @property
    def refused(self) -> list[Change]:
        return [change for change in self.changes if change.status == "refused"]

    @property
    def changed(self) -> bool:
        return self.restarted or any(change.changed for change in self.changes)

    @property
    def restart_required(self) -> bool:
        return any(change.status == "pending_restart" for change in self.changes)

    def result(self) -> dict[str, t.Any]:
        return {
            "uuid": self.found.uuid,
            "state": self.found.state,
            "changed": self.changed,
            "restart_required": self.restart_required,
            "warnings": list(self.warnings),
            "knobs": [change.result() for change in self.changes],
        }

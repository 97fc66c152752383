# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the arguments of all calls for one image to its recipe."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Iterator

from ..common.errors import BadRequestError
from ..recipe.parse import parse_steps
from . import idioms
from .model import LOOK_AT, NOT_NEEDED, NOT_TURNED, Files, Operation, Place, Recipe, Remark
from .operations import Steps, Turning, turn
from .options import OPERATIONS, SILENT, TOLD, Argument
from .subject import of_operation, of_option, of_word
from .text import Expansion, Text

_PLACE = re.compile(r"^steps\[0\]\S*(?: \(step 1\))?:? ?")
# The order in which one step `packages` does what it is asked for.
_RANKS = {"remove": 0, "upgrade": 1, "install": 2}


class Building:
    """One recipe in the making."""

    def __init__(self, files: Files, image: Text | None, place: Place) -> None:
        self.image = image
        self.operations = 0
        self.used: list[tuple[Expansion, Place]] = []
        """What the shell would have expanded in what the recipe holds."""
        self.place = place
        self._turning = Turning(files)
        self._steps: Steps = []
        self._passwords: Steps = []
        self._options: dict[str, t.Any] = {}
        self._networks: set[bool] = set()
        self._method = ""

    @property
    def remarks(self) -> list[Remark]:
        return self._turning.remarks

    @property
    def secrets(self) -> set[str]:
        """Variables of the shell that hold a secret."""
        return self._turning.secrets

    def add_call(self, arguments: Iterable[Argument]) -> None:
        """Take in the arguments of one call, all but the image's and those of commands files."""
        network = True
        for argument in arguments:
            if argument.name in ("network", "no-network"):
                network = argument.name == "network"
            elif argument.name in ("memsize", "smp"):
                self.set_number(argument.name, argument.value, argument.place)
            elif argument.name == "password-crypto":
                self._hash_by(argument)
            elif argument.name in OPERATIONS:
                self._operation(Operation(argument.name, argument.value, argument.place))
            elif argument.name in TOLD:
                told = TOLD[argument.name]
                value = "…" if argument.name in ("key", "sm-credentials") else argument.value.source
                self.remark(told.kind, argument.place, of_option(argument.name, value), told.cause, told.way_out)
            elif argument.name not in SILENT:
                self._unknown(argument)
        self._networks.add(network)

    def remark(self, kind: str, place: Place, subject: str, cause: str, way_out: str = "") -> None:
        remark = Remark(kind, place, subject, cause, way_out)
        if not any((known.subject, known.cause) == (subject, cause) for known in self.remarks):
            self.remarks.append(remark)

    def set_number(self, option: str, value: Text, place: Place) -> None:
        """An option of the module that is a number; the largest of several calls holds."""
        if value.literal is None:
            self._options[option] = value.jinja
            self.used += [(expansion, place) for expansion in value.expansions()]
        elif value.literal.isdigit():
            known = self._options.get(option, 0)
            self._options[option] = max(known, int(value.literal)) if isinstance(known, int) else known
        else:
            self.remark(NOT_TURNED, place, of_option(option, value.source), "it is not a number")

    def set_option(self, option: str, value: t.Any) -> None:
        self._options[option] = value

    def recipe(self) -> Recipe:
        if self._networks == {False}:
            self._options["network"] = False
        elif len(self._networks) > 1:
            cause = "some of the calls have the network and some have not; the recipe's steps have it"
            self.remark(LOOK_AT, self.place, "--no-network", cause)
        self._say_where_files_are()
        # virt-customize sets passwords when all else is done, also for users that its other operations make.
        steps = [*_merged(self._steps), *self._passwords]
        if self._method:
            for step in self._passwords:
                if "password" in step["password"]:
                    step["password"]["method"] = Text.of(self._method)
        image = self.image.jinja if self.image else ""
        return Recipe(image, self._options, tuple(_rendered(step) for step in steps))

    def _hash_by(self, argument: Argument) -> None:
        method = argument.value.literal or ""
        try:
            parse_steps([{"password": {"user": "root", "password": "any password", "method": method}}])
            self._method = method
        except BadRequestError:
            cause = "the step password does not hash so; it does as the image's own system does"
            self.remark(LOOK_AT, argument.place, of_option(argument.name, argument.value.source), cause)

    def _unknown(self, argument: Argument) -> None:
        if argument.name:
            self.remark(
                NOT_TURNED,
                argument.place,
                of_option(argument.name, argument.value.source),
                "it is not an operation that a commands file may hold",
            )
            return
        cause = "it belongs to no option"
        if any(True for dummy in argument.value.expansions()):
            self.used += [(expansion, argument.place) for expansion in argument.value.expansions()]
            cause = "what the shell puts there is not known, and may be options"
        # It may be the rest of a password with a blank in it.
        subject = "a further word" if self._passwords else of_word(argument.value.source)
        self.remark(NOT_TURNED, argument.place, subject, cause, "Write out the options in the command")

    def _operation(self, operation: Operation) -> None:
        self.operations += 1
        subject = of_operation(operation)
        if idioms.is_identity(operation):
            self.remark(NOT_NEEDED, operation.place, subject, idioms.IDENTITY)
            return
        operation = _without_secret(operation)
        before = len(self.remarks)
        try:
            steps = turn(operation, self._turning)
            for step in steps:
                _check(step)
        except BadRequestError as error:
            del self.remarks[before:]
            self.remark(NOT_TURNED, operation.place, subject, _PLACE.sub("", error.cause), error.way_out)
            return
        for cause, way_out in idioms.remarks(operation):
            self.remark(LOOK_AT, operation.place, of_operation(operation), cause, way_out)
        for step in steps:
            self.used += [(expansion, operation.place) for text in _texts(step) for expansion in text.expansions()]
        if operation.name in ("password", "root-password"):
            self._passwords += steps
        else:
            self._steps += steps

    def _say_where_files_are(self) -> None:
        looked_for = self._turning.looked_for
        if looked_for:
            names = ", ".join(dict.fromkeys(name for dummy, name in looked_for))
            cause = "files with a relative path are looked for in the directory of the playbook, and in its files"
            self.remark(LOOK_AT, looked_for[0][0].place, names, cause, "Keep the playbook beside them, or move them")


def _without_secret(operation: Operation) -> Operation:
    """``echo USER:PASSWORD | chpasswd`` as the operation for it."""
    command = operation.value.literal
    found = idioms.password_of(command) if operation.name == "run-command" and command else None
    if not found:
        return operation
    return Operation("password", Text.of(f"{found[0]}:password:{found[1]}"), operation.place)


def _texts(value: t.Any) -> Iterator[Text]:
    if isinstance(value, Text):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _check(step: dict[str, dict[str, t.Any]]) -> None:
    """Refuse what the step would refuse, as far as it is known."""
    if all(text.literal is not None for text in _texts(step)):
        parse_steps([_literal(step)])


def _literal(value: t.Any) -> t.Any:
    return _mapped(value, lambda text: text.literal)


def _rendered(value: t.Any) -> t.Any:
    return _mapped(value, lambda text: text.jinja)


def _mapped(value: t.Any, function: t.Callable[[Text], t.Any]) -> t.Any:
    if isinstance(value, Text):
        return function(value)
    if isinstance(value, dict):
        return {name: _mapped(inner, function) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, function) for inner in value]
    return value


def _merged(steps: Steps) -> Steps:
    """Neighbouring steps ``packages`` as one, where that does the same in the same order."""
    merged: Steps = []
    for step in steps:
        last = merged[-1] if merged else {}
        if "packages" in step and "packages" in last and _follows(last["packages"], step["packages"]):
            merged[-1] = {"packages": _joined(last["packages"], step["packages"])}
        else:
            merged.append(step)
    return merged


def _follows(first: dict[str, t.Any], second: dict[str, t.Any]) -> bool:
    removed = [*first.get("remove", ()), *second.get("remove", ())]
    installed = [*first.get("install", ()), *second.get("install", ())]
    ranks = [[_RANKS[option] for option in options if option in _RANKS] for options in (first, second)]
    return max(ranks[0]) <= min(ranks[1]) and not any(name in removed for name in installed)


def _joined(first: dict[str, t.Any], second: dict[str, t.Any]) -> dict[str, t.Any]:
    joined = dict(first)
    for option, value in second.items():
        known = joined.get(option)
        if isinstance(known, list):
            value = [*known, *(name for name in value if name not in known)]
        joined[option] = value
    return joined

# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the text of shell lines, or of a commands file, to recipes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence

from ..common.errors import BadRequestError
from . import commands_file, options, surroundings
from .building import Building
from .commands import Command, assigned, commands, environment
from .model import LOOK_AT, NOT_NEEDED, NOT_TURNED, Conversion, Files, NoFiles, Place, Recipe, Remark
from .options import Argument
from .subject import of_option, of_word
from .text import Text
from .variables import Variables

COMMAND = "command"
COMMANDS_FILE = "commands_file"
AUTO = "auto"
KINDS = (AUTO, COMMAND, COMMANDS_FILE)

_IN_PLACE = "virt-customize changes the image; a build reads the base, and publishes a new image beside it"
_IN_PLACE_WAY = "Give the publisher's image as base, such as what goldsmith.kvm.image_fetch returns"
_NO_STEPS = "no step came of this command, so there is no task for it"
_NO_STEPS_WAY = "See what is said about its operations, and write the task if one is needed"
_COMPOUNDS = {
    "for": ("it is done once for each round of a loop", "Loop over the task"),
    "while": ("it is done once for each round of a loop", "Loop over the task"),
    "until": ("it is done once for each round of a loop", "Loop over the task"),
    "select": ("it depends on what somebody chooses", "Give the task a `when`, or a step a `condition`"),
    "if": ("it is done under a condition of the script", "Give the task a `when`, or a step a `condition`"),
    "case": ("it is done under a condition of the script", "Give the task a `when`, or a step a `condition`"),
    "||": ("it is done where another command fails", "Give the task a `when`"),
}
_PROXY = re.compile(r"(?:https?|ftp|no|all)_proxy", re.IGNORECASE)


def convert(text: str, kind: str = AUTO, files: Files | None = None) -> Conversion:
    """The recipes of a text; raises BadRequestError where it holds none, or cannot be read."""
    if kind == AUTO:
        kind = _kind(text)
    converter = _Converter(files or NoFiles())
    if kind == COMMANDS_FILE:
        converter.commands_file(text)
    else:
        converter.script(text)
    return converter.conversion()


def _kind(text: str) -> str:
    """Which of the two a text is."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    if not re.search(r"\bvirt-customize\b", "\n".join(lines)) and lines and lines[0].split()[0] in options.NAMES:
        return COMMANDS_FILE
    return COMMAND


class _Converter:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._buildings: dict[str, Building] = {}
        self._remarks: list[Remark] = []
        self._variables = Variables()
        self._environment: dict[str, tuple[Text, Place]] = {}

    def commands_file(self, text: str) -> None:
        building = self._building(None, Place(1))
        building.add_call(commands_file.read(text))

    def script(self, text: str) -> None:
        others: list[Command] = []
        sizes: dict[str, str] = {}
        calls = 0
        for written in commands(text):
            command = dataclasses.replace(written, words=self._variables.program(written.words))
            called = surroundings.call(command)
            if called is None and not calls and (command.words and command.words[0].text.head.startswith("-")):
                called = 0, ""  # the options alone
            if called is None:
                self._note(command)
                resized = surroundings.resized(command)
                if resized:
                    sizes[resized[0].jinja] = resized[1]
                else:
                    others.append(command)
                continue
            calls += 1
            start, caller = called
            if caller:
                cause, way_out = "another program calls virt-customize here", "See whether what it adds is needed"
                self._remarks.append(Remark(LOOK_AT, Place(command.line), caller, cause, way_out))
            self._call(command, start)
        if not calls:
            raise BadRequestError(
                "there is no virt-customize command in the text",
                "Give a command line or a script that calls it, or say that it is a commands file",
            )
        for image, building in self._buildings.items():
            if image in sizes:
                building.set_option("size", sizes[image])
        self._remarks += surroundings.remarks(others)

    def conversion(self) -> Conversion:
        buildings = list(self._buildings.values())
        recipes = tuple(self._recipes(buildings))
        if not any(building.operations for building in buildings):
            raise BadRequestError("there is no operation in the text", "Give the whole command, or the commands file")
        remarks = self._remarks + [remark for building in buildings for remark in building.remarks]
        used = [use for building in buildings for use in building.used]
        secrets = {name for building in buildings for name in building.secrets}
        variables, about_variables = self._variables.resolve(used, secrets)
        remarks += about_variables
        return Conversion(recipes, variables, tuple(sorted(remarks, key=lambda remark: remark.place.line)))

    def _recipes(self, buildings: Sequence[Building]) -> Iterator[Recipe]:
        """Those that do something; a task without steps would build a copy of the base."""
        for building in buildings:
            recipe = building.recipe()
            if recipe.steps:
                yield recipe
            else:
                building.remark(NOT_TURNED, building.place, "virt-customize", _NO_STEPS, _NO_STEPS_WAY)

    def _note(self, command: Command) -> None:
        """Remember what a command assigns."""
        for assignment in assigned(command):
            self._variables.assign(assignment)
            if re.match(r"LIBGUESTFS_", assignment.name) or _PROXY.fullmatch(assignment.name):
                self._environment[assignment.name] = (assignment.value, Place(assignment.line))
        if command.words and command.words[0].text.literal in ("for", "select", "read"):
            for word in command.words[1:]:
                if word.text.literal == "in":
                    break
                self._variables.change(word.text.literal or "")

    def _call(self, command: Command, start: int) -> None:
        words = [
            (text, Place(word.line)) for word in command.words[start:] for text in self._variables.words(word.text)
        ]
        arguments: list[Argument] = []
        unread = []
        for read in options.read(words):
            if isinstance(read, Argument):
                arguments.append(read)
            else:
                unread.append(read)
        images = [argument for argument in arguments if argument.name == "add"]
        place = Place(command.line)
        building = self._building(images[0].value if images else None, images[0].place if images else place)
        for where, word, error in unread:
            building.remark(NOT_TURNED, where, of_word(word.source), error.cause, error.way_out)
        for image in images[1:]:
            cause, way_out = "a base has one disk", "Build from the disk that holds the system"
            building.remark(NOT_TURNED, image.place, of_option("add", image.value.source), cause, way_out)
        if command.condition in _COMPOUNDS:
            cause, way_out = _COMPOUNDS[command.condition]
            building.remark(LOOK_AT, place, "virt-customize", cause, way_out)
        around = {name: (value, place) for name, value in environment(command).items()}
        self._set_environment(building, {**self._environment, **around})
        rest = [argument for argument in arguments if argument.name != "add"]
        building.add_call(self._with_files(building, rest, command.here_document))

    def _building(self, image: Text | None, place: Place) -> Building:
        key = image.jinja if image else ""
        if key not in self._buildings:
            building = Building(self._files, image, place)
            if image:
                building.used += [(expansion, place) for expansion in image.expansions()]
                building.remark(LOOK_AT, place, of_option("add", image.source), _IN_PLACE, _IN_PLACE_WAY)
            else:
                cause = "no image is named here"
                building.remark(NOT_TURNED, place, "base", cause, "Give base and name in the task")
            self._buildings[key] = building
        return self._buildings[key]

    def _set_environment(self, building: Building, given: dict[str, tuple[Text, Place]]) -> None:
        for name, (value, place) in given.items():
            subject = of_option(name, value.source).lstrip("-").replace(" ", "=", 1)
            if name == "LIBGUESTFS_BACKEND_SETTINGS" and value.literal == "force_tcg":
                building.set_option("accel", "tcg")
            elif name in ("LIBGUESTFS_MEMSIZE", "LIBGUESTFS_SMP"):
                building.set_number(name.rpartition("_")[2].lower(), value, place)
            elif name == "LIBGUESTFS_BACKEND" and value.literal == "direct":
                building.remark(NOT_NEEDED, place, subject, "builds use this backend by themselves")
            else:
                cause, way_out = "the environment is not in the recipe", "Set it by the task's `environment` if needed"
                building.remark(LOOK_AT, place, subject, cause, way_out)

    def _with_files(self, building: Building, arguments: Sequence[Argument], here: str | None) -> list[Argument]:
        """The arguments with those of commands files in the place where these are named."""
        result: list[Argument] = []
        for argument in arguments:
            if argument.name != "commands-from-file":
                result.append(argument)
                continue
            path = argument.value.literal
            text = here if path in ("-", "/dev/stdin") else self._files.read(path) if path else None
            if text is None:
                cause = "the commands file could not be read"
                way_out = "Convert it for itself, and put its steps in this place"
                subject = of_option(argument.name, argument.value.source)
                building.remark(NOT_TURNED, argument.place, subject, cause, way_out)
                building.operations += 1
            else:
                result += commands_file.read(text, path or "")
        return result

# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the option ``steps`` as users write it to checked steps."""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Iterable, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..common.errors import BadRequestError
from .condition import CONDITION_SPEC, Condition, parse_condition
from .model import Options, Step, StepKind, undocumented
from .registry import KINDS
from .secrecy import require_secrecy

_HALF_CHARACTER = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")

COMMON_OPTIONS: Mapping[str, Mapping[str, t.Any]] = {
    "name": {"type": "str", "description": "What logs and errors call the step, beside its number."},
    "condition": {
        "type": "dict",
        "options": CONDITION_SPEC,
        "description": """
            For which bases the step is meant. For others it is left out, as if it were not written.

            What the base is, is known of an image that M(goldsmith.kvm.image_fetch) fetched or this module built; any
            other is looked into once.
        """,
    },
    "timeout": {
        "type": "int",
        "description": "Seconds that the step may take, within the time for the whole build.",
    },
}
"""What may stand in a step's dictionary beside the one key that is its kind."""


def steps_argument_spec() -> dict[str, t.Any]:
    """The module option ``steps``."""
    return {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            **undocumented(COMMON_OPTIONS),
            # A kind is no secret, whatever it is called: its options say for themselves.
            **{
                name: {"type": "dict", "no_log": False, "options": kind.argument_spec, **kind.rules}
                for name, kind in KINDS.items()
            },
        },
    }


def parse_steps(written: t.Any) -> tuple[Step, ...]:
    """Check every step; raises BadRequestError that names the place, as in ``steps[2].user.nmae (step 3)``."""
    if not isinstance(written, (list, tuple)):
        raise BadRequestError("steps is not a list", "Write a list of steps, each a dictionary with one key")
    steps = tuple(_parse(index, entry) for index, entry in enumerate(written, start=1))
    for step in steps:
        _check_place(step, steps)
    require_secrecy(steps)
    return steps


def _check_place(step: Step, steps: tuple[Step, ...]) -> None:
    """Refuse a step whose kind has to be the last behind which others come, and what it contradicts."""
    if step.kind.last and step.index < len(steps):
        after = steps[step.index]
        raise BadRequestError(
            f"steps[{after.index - 1}].{after.kind.name} (step {after.index}) comes after {step.kind.name} "
            f"(step {step.index}), which has to be the last step",
            f"Once is enough: leave out the first {step.kind.name}"
            if after.kind is step.kind
            else f"Write {step.kind.name} at the end of steps",
        )
    step.kind.check_recipe(step, steps[: step.index - 1])


def _parse(index: int, entry: t.Any) -> Step:
    place = f"steps[{index - 1}]"
    if not isinstance(entry, Mapping):
        raise BadRequestError(
            # Not what it is instead: there may be a secret in it.
            f"{place} (step {index}) is not a dictionary",
            "Write each step as a dictionary with one key, such as `packages: {install: [nginx]}`",
        )
    # AnsibleModule adds the keys of all other kinds, with None.
    keys = [name for name in entry if name not in COMMON_OPTIONS]
    names = [name for name in keys if entry[name] is not None] or (keys if len(keys) == 1 else [])
    for name in names:
        if name not in KINDS:
            raise BadRequestError(
                f"{place}.{name} (step {index}) is not a kind of step{_nearest(name, KINDS)}", _there_is(KINDS)
            )
    if len(names) != 1:
        raise BadRequestError(
            f"{place} (step {index}) has to have exactly one kind of step and has {', '.join(names) or 'none'}",
            "Write one step for each; they are carried out in their order" if names else _there_is(KINDS),
        )
    kind = KINDS[names[0]]
    common = _common(place, index, entry)
    return Step(index, kind, _checked(index, kind, entry[kind.name]), **common)


def _common(place: str, index: int, entry: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What stands beside the kind, as fields of Step."""
    name, timeout = entry.get("name") or "", entry.get("timeout")
    _refuse_half_characters(f"{place}.name (step {index})", name)
    if not isinstance(name, str) or any(character in name for character in "\n\r\0"):
        raise BadRequestError(f"{place}.name (step {index}) has to be one line of text and is {name!r}")
    if timeout is not None:
        if not str(timeout).isdigit() or int(timeout) < 1:
            raise BadRequestError(f"{place}.timeout (step {index}) has to be seconds from 1 on and is {timeout!r}")
        timeout = int(timeout)
    return {"name": name.strip(), "condition": _condition(place, index, entry.get("condition")), "timeout": timeout}


def _condition(place: str, index: int, written: t.Any) -> Condition | None:
    if written is None:
        return None
    place = f"{place}.condition"
    if not isinstance(written, Mapping):
        raise BadRequestError(
            f"{place} (step {index}) is not a dictionary", "Write it as {distribution: [ubuntu], version: '24.04'}"
        )
    for name in written:
        if name not in CONDITION_SPEC:
            raise BadRequestError(
                f"{place}.{name} (step {index}) is not an option of it{_nearest(name, CONDITION_SPEC)}",
                _there_is(CONDITION_SPEC),
            )
    version = written.get("version")
    if version is not None and not isinstance(version, str):
        raise BadRequestError(
            f"{place}.version (step {index}) has to be text and is {_shape(version)}",
            "Write the comparisons in one text, such as '>=12,<14'"
            if isinstance(version, (Mapping, list, tuple))
            else "Quote it: YAML takes 24.10 for the number 24.1",
        )
    given = {name: value for name, value in written.items() if value is not None}
    result = ArgumentSpecValidator(undocumented(CONDITION_SPEC)).validate(given)
    if result.error_messages:
        raise BadRequestError(f"{place} (step {index}): {'; '.join(result.error_messages)}")
    try:
        return parse_condition(result.validated_parameters)
    except BadRequestError as error:
        raise BadRequestError(f"{place} (step {index}): {error.cause}", error.way_out) from error


def _checked(index: int, kind: StepKind, options: t.Any) -> Options:
    place = f"steps[{index - 1}].{kind.name}"
    if not isinstance(options, Mapping):
        raise BadRequestError(
            f"{place} (step {index}) is not a dictionary", f"Write its options, such as `{kind.name}: {_example(kind)}`"
        )
    for name in options:
        if name not in kind.options:
            raise BadRequestError(
                f"{place}.{name} (step {index}) is not an option of this step{_nearest(name, kind.options)}",
                _there_is(kind.options) if kind.options else f"It has none: write `{kind.name}: {{}}`",
            )
    # AnsibleModule adds the options that were not given, with None, which the rules would take for given.
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        _refuse_structures(f"{place}.{name} (step {index})", value, kind.options[name])
        _refuse_half_characters(f"{place}.{name} (step {index})", value)
    result = ArgumentSpecValidator(kind.argument_spec, **kind.rules).validate(given)
    if result.error_messages:
        raise BadRequestError(f"{place} (step {index}): {'; '.join(result.error_messages)}")
    try:
        return kind.check({name: value for name, value in result.validated_parameters.items() if value is not None})
    except BadRequestError as error:
        raise BadRequestError(f"{place} (step {index}): {error.cause}", error.way_out) from error


def _refuse_structures(place: str, value: t.Any, spec: Mapping[str, t.Any]) -> None:
    """Refuse for a text what YAML or Jinja has made something else, which Ansible would turn into Python's spelling."""
    if spec["type"] == "dict" and not isinstance(value, (Mapping, str)):
        # Not what it is: there may be a secret in it.
        raise BadRequestError(f"{place} has to be a dictionary", "Write it as {NAME: value}")
    if spec["type"] != "str" or "choices" in spec:
        return
    if isinstance(value, (Mapping, list, tuple)):
        raise BadRequestError(
            f"{place} is {_shape(value)} and has to be text",
            "Make text of it with a filter such as to_nice_json or to_nice_yaml; text that only looks like this, and "
            "was read so by ansible-core before 2.19, stays text with the filter string",
        )
    if isinstance(value, bool):
        raise BadRequestError(f"{place} is true or false and has to be text", "Quote it: YAML reads yes and no so")


def _refuse_half_characters(place: str, value: t.Any) -> None:
    """Refuse text that no file can hold. U+DC80 to U+DCFF are Python's spelling of bytes that are no UTF-8."""
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for element in value:
            _refuse_half_characters(place, element)
    elif isinstance(value, str) and _HALF_CHARACTER.search(value):
        raise BadRequestError(
            f"{place} has half a character, as from \\ud83d without its second half, which UTF-8 cannot hold",
            "Write the character itself, or in YAML \\U and its eight hexadecimal digits, such as \\U0001F600",
        )


def _nearest(name: t.Any, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(names), n=1)
    return f"; {near[0]} is" if near else ""


def _there_is(names: Iterable[str]) -> str:
    return f"There are {', '.join(names)}"


def _shape(value: t.Any) -> str:
    if isinstance(value, Mapping):
        return "a dictionary"
    return "a list" if isinstance(value, (list, tuple)) else repr(value)


def _example(kind: StepKind) -> str:
    """Options without which the step would be refused, or the first that it has."""
    needed = [name for name, spec in kind.options.items() if spec.get("required")]
    needed += [names[0] for names in kind.rules.get("required_one_of", ())]
    return ", ".join(f"{name}: …" for name in needed or list(kind.options)[:1]).join("{}")

# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.boot.qemu import Guest, Uefi, command_line


def argv_of(directory: str, accel: str = "tcg", uefi: Uefi | None = None) -> list[str]:
    names = [f"{directory}/{name}" for name in ("disk", "seed", "console", "report")]
    return command_line("qemu", Guest("a=b,c", *names, accel, 1024**3, 2, 2222, uefi))


def test_the_command_line() -> None:
    argv = argv_of("/d")
    assert argv[argv.index("-netdev") + 1] == "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22"
    assert argv[argv.index("-name") + 1] == "guest=a=b,,c"
    assert argv[argv.index("-m") + 1] == "1024M"
    assert "tcg,thread=multi" in argv and "-drive" not in argv
    assert "kvm" in argv_of("/d", "kvm")
    flashes = [word for word in argv_of("/d", uefi=Uefi("/code", "/vars")) if word.startswith("if=pflash")]
    assert [("readonly=on" in flash, flash.rpartition("=")[2]) for flash in flashes] == [
        (True, "/code"),
        (False, "/vars"),
    ]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1))
def test_names_of_directories_cannot_add_options(name: str) -> None:
    """Commas are doubled where they would begin another option, and JSON quotes the rest."""
    argv = argv_of(f"/{name}")
    chardev = next(word for word in argv if word.startswith("file,id=console"))
    assert chardev.replace(",,", "\0").split(",") == ["file", "id=console", f"path=/{name}/console".replace(",", "\0")]
    disks = [json.loads(argv[at + 1]) for at, word in enumerate(argv) if word == "-blockdev"]
    assert [found["file"]["filename"] for found in disks] == [f"/{name}/disk", f"/{name}/seed"]
    assert disks[1]["read-only"] is True

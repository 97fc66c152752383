# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the programs of libguestfs, whose appliance does not always come up."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ..common.host import Completed, Host
from . import failure


def run(host: Host, argv: Sequence[str], **options: t.Any) -> Completed:
    """As :meth:`Host.run`; once more where the appliance did not start, for no reason that anybody told.

    Without KVM, QEMU itself crashes now and then. No image has been touched by then.
    """
    done = host.run(argv, **options)
    if done.rc != 0 and failure.is_unexplained_launch(done.stderr):
        host.warn(
            "libguestfs' appliance did not start, and nothing tells why: starting it once more. If QEMU has crashed, "
            "dmesg tells"
        )
        done = host.run(argv, **options)
    return done

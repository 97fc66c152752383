# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells one version of a file on a server from another (RFC 9110, section 8.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Validators:
    """The headers ETag and Last-Modified as they came; empty where the server sends none."""

    etag: str = ""
    last_modified: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Validators:
        return cls((headers.get("ETag") or "").strip(), (headers.get("Last-Modified") or "").strip())

    @property
    def strong(self) -> bool:
        """Whether two equal ones prove equal bytes. A date does not: it stands still for a second."""
        return self.etag.startswith('"')

    @property
    def if_range(self) -> str:
        """The value for ``If-Range``; empty if there is none. Weak tags are not allowed there (section 13.1.5)."""
        return self.etag if self.strong else self.last_modified

    def contradicts(self, other: Validators) -> bool:
        """Whether both cannot belong to the same version."""
        if self.etag and other.etag:
            return self.etag != other.etag
        return bool(self.last_modified and other.last_modified and self.last_modified != other.last_modified)

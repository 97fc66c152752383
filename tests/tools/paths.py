# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the tool keeps things. All that it makes is below ``.run/``, apart from system packages."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / ".run"
VENV = RUN / "venv"
LOGS = RUN / "logs"
CACHE = RUN / "cache"
"""Of the tools, and of the test images: they take minutes to make, and are kept between runs."""
HOME = RUN / "home"
"""The home directory that ansible-test sees: it keeps virtualenvs and downloads there."""

COLLECTIONS = RUN / "collections"
LINKED = COLLECTIONS / "ansible_collections" / "goldsmith" / "kvm"
"""A link to the checkout: where Ansible, Molecule and the tests find the collection."""

REQUIREMENTS = ROOT / "tests" / "requirements"

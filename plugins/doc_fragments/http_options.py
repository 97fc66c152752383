# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url_username:
    description:
      - User name for HTTP basic authentication.
    type: str
  url_password:
    description:
      - Password for HTTP basic authentication.
    type: str
  http_agent:
    description:
      - The HTTP header C(User-Agent) of every request.
    type: str
    default: ansible-goldsmith-kvm
  force_basic_auth:
    description:
      - Send the credentials with the first request already, for servers that do not ask for them with status 401.
      - They are sent to each of O(mirrors), but not to where one redirects to.
    type: bool
    default: false
  client_cert:
    description:
      - PEM file with the certificate for TLS client authentication. It may hold the key as well.
    type: path
  client_key:
    description:
      - PEM file with the private key of O(client_cert), where that does not hold it.
    type: path
  validate_certs:
    description:
      - Whether the server's TLS certificate has to be valid.
    type: bool
    default: true
  ca_path:
    description:
      - PEM file with the certificates of the authorities that sign the servers' certificates.
      - Without it the system's own are used.
    type: path
  use_proxy:
    description:
      - Whether the environment variables C(http_proxy), C(https_proxy) and C(no_proxy) of the target are heeded.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that a server may be silent, when a connection is made and while data is read.
    type: int
    default: 30
"""

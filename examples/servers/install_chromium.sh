#!/usr/bin/env bash
# Install Debian's Chromium for the tests of the documentation's pages. As root, on Debian 12; may be repeated.
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "Run it as root: Chromium comes in packages of the system." >&2; exit 2; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium

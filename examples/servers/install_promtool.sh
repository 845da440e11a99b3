#!/usr/bin/env bash
# Install promtool for the tests of the alert rules. As root, on Debian 12; may be repeated.
# It is taken out of Debian's package of Prometheus alone: installed whole, that starts a server.
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "Run it as root: promtool is put into /usr/local/bin." >&2; exit 2; }
command -v promtool >/dev/null && exit 0
apt-get update -qq
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root prometheus
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
install -m 755 usr/bin/promtool /usr/local/bin/promtool

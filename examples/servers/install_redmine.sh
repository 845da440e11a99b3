#!/usr/bin/env bash
# Install Debian's Redmine for demos and tests. As root, on Debian 12; may be repeated.
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "Run it as root: Redmine comes in packages of the system." >&2; exit 2; }
export DEBIAN_FRONTEND=noninteractive
# The bundler that comes with the present Ruby 3.1 does not find Debian's gems, and would leave the package half
# configured; this one is Debian's.
export BUNDLER_VERSION=2.3.15
apt-get update -qq
# No instance of the package's own: redmine_up.sh serves private copies.
echo 'redmine redmine/instances/default/dbconfig-install boolean false' | debconf-set-selections
dpkg --configure -a
apt-get install -y -qq --no-install-recommends redmine redmine-sqlite puma curl

#!/bin/sh
# Debian's nginx, to compare with, and wrk, which makes the load. Without root what is missing is left out of the figures.
set -eu
missing=""
command -v wrk > /dev/null || missing="$missing wrk"
command -v nginx > /dev/null || test -x /usr/sbin/nginx || missing="$missing nginx-light"
if [ -z "$missing" ] || [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  exit 0
fi
echo "Installing Debian's$missing …" >&2
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # In runlevel 1 Debian starts no service that it installs.
apt-get update -qq
# shellcheck disable=SC2086 # Several words are several packages.
apt-get install -y -qq --no-install-recommends $missing > /dev/null

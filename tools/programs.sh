#!/bin/sh
# Sees to the programs that tests and benchmarks use beside Python: Mosquitto (an MQTT broker) and its clients, wrk,
# Chromium, which meets the pages as people do, with a font for Korean, PostgreSQL with PostGIS, NATS, and nginx with
# iproute2, for the files of deployment.
set -eu
PATH=$PATH:/usr/sbin:/usr/local/sbin  # where Debian puts mosquitto, and not in everyone's PATH

missing=
# Each with its package after a colon, where that has another name.
for program in mosquitto mosquitto_pub:mosquitto-clients wrk chromium nats-server nginx ip:iproute2; do
    command -v "${program%%:*}" >/dev/null 2>&1 || missing="$missing ${program#*:}"
done
# The server is not on the PATH, and PostGIS is a file beside it. The package without a number is that of the newest version there is.
ls /usr/share/postgresql/*/extension/postgis.control >/dev/null 2>&1 || missing="$missing postgresql postgresql-postgis"
# Without it, Korean is drawn as boxes, which are narrower and hide what does not fit.
{ command -v fc-list && fc-list :lang=ko | grep -q .; } >/dev/null 2>&1 || missing="$missing fonts-nanum fontconfig"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed:$missing. Tests that need them are skipped; to run them too: brew install$missing (or your system's way)." >&2
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "The tests need$missing. Install it and try again: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing$missing ..."
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null || {
    echo "apt-get could not install$missing, which the tests need; its message is above." >&2
    exit 1
}

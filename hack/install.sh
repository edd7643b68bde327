#!/bin/sh
# Installs what the test bed needs from Debian and is not there yet. Says nothing when nothing is missing.
set -eu

packages="
	busybox-static
	ca-certificates
	conntrack
	containerd
	containernetworking-plugins
	curl
	ethtool
	gcc
	iproute2
	iptables
	iputils-arping
	iputils-ping
	libc6-dev
	ndisc6
	nftables
	procps
	runc
	tcpdump
	util-linux
"

installed() {
	dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "install.sh: no apt here; install these by other means:" $packages >&2
	exit 1
fi
missing=
for package in $packages; do
	installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "install.sh: needs root; run: sudo apt-get install$missing" >&2
	exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing$missing"
get() {
	DEBIAN_FRONTEND=noninteractive apt-get "$@" >>"$log" 2>&1
}
# shellcheck disable=SC2086 # a list of words
if ! get install --yes --no-install-recommends $missing; then
	get update && get install --yes --no-install-recommends $missing || {
		echo "install.sh: apt-get could not install$missing:" >&2
		tail -n 20 "$log" >&2
		exit 1
	}
fi

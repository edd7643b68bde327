#!/bin/sh
# machine-init NAME FOLDER INIT CGROUPS
#
# Runs as process 1 of a new machine, in its new namespaces. Mounts what the machine has to itself,
# tells the outside who it is, and becomes INIT. FOLDER holds what the machine keeps on disk.
# CGROUPS is "none" for the switch, "v2", or a list of NAME:OPTIONS, one for each v1 hierarchy.
set -eu
name=$1 folder=$2 init=$3 cgroups=$4

# The host's view of this process, a line of /proc/PID/stat. The switch, whose pid namespace is the
# parent of all others, keeps the host's /proc for the machines to read theirs.
if [ -r /run/hostproc/self/stat ]; then read -r stat </run/hostproc/self/stat; else read -r stat </proc/self/stat; fi

mount_cgroups() {
	if [ "$1" = v2 ]; then
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		return
	fi
	mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
	for hierarchy in $1; do
		at=/sys/fs/cgroup/${hierarchy%%:*}
		mkdir "$at"
		mount -t cgroup -o "${hierarchy#*:}" cgroup "$at"
		# Controllers mounted together are also looked for one by one.
		for controller in $(echo "${hierarchy%%:*}" | tr , ' '); do
			[ -e "/sys/fs/cgroup/$controller" ] || ln -s "${hierarchy%%:*}" "/sys/fs/cgroup/$controller"
		done
	done
}

# The host has the mount points: whoever starts machines made the missing ones.
mount_private_folders() {
	for path in $(cat "$folder/private"); do
		mkdir -p "$folder/root$path"
		mount --bind "$folder/root$path" "$path"
	done
	echo "$name" >"$folder/root/hostname"
	mount --bind "$folder/root/hostname" /etc/hostname
	od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$folder/root/machine-id"
	mount --bind "$folder/root/machine-id" /etc/machine-id
}

hostname "$name"
if [ "$cgroups" = none ]; then
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir /run/hostproc
	mount --bind /proc /run/hostproc
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
else
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount_cgroups "$cgroups"
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir /run/lock /run/netns /run/testbed
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm
	mount_private_folders
	mkdir -p /var/log/testbed /var/log/pods /var/log/containers
fi
# Pods may ask for mounts that reach the node and back.
mount --make-rshared /

echo "$stat" >"$folder/init.stat.new"
mv "$folder/init.stat.new" "$folder/init.stat"
exec "$init"

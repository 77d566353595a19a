# Runs in the virtual machine, as its one job. /gantry is the repository, read-only; /job is what machine.mjs asks for:
# `environment`, `arguments` (a path pattern a line), and takes: `exit-code`, `results.json`, `test-logs`.
export GANTRY_TEST_MACHINE=1 TERM=dumb CI=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 GANTRY_NO_INSTALL=1

# What is written into the repository stays here. /natives has packages of this machine's architecture where the host has another.
mount -t tmpfs tmpfs /tree
mkdir /tree/upper /tree/work /tree/gantry
mount -t overlay -o lowerdir=/natives:/gantry,upperdir=/tree/upper,workdir=/tree/work overlay /tree/gantry
cd /tree/gantry || exit

# A card that leads nowhere, so that the machine has an address and a default route as a host has.
ip link set lo up
ip link add host0 type dummy
ip address add 192.0.2.10/24 dev host0
ip link set host0 up
ip route add default via 192.0.2.1
echo "127.0.1.1 $(hostname)" >>/etc/hosts

set -a
. /job/environment
set +a
set --
while read -r pattern; do set -- "$@" "$pattern"; done </job/arguments

echo "$(uname -sr), cgroups: $(stat -fc %T /sys/fs/cgroup), ready after $(cut -d' ' -f1 /proc/uptime) s"
node node_modules/.bin/jest --selectProjects engine --runInBand --colors=false --verbose --json --outputFile=/job/results.json --testPathPatterns "$@"
echo $? >/job/exit-code
cp -r .cache/test-logs /job/

#!/usr/bin/env bash
# A real SLURM of two nodes on this machine, for tests. Root on Debian; nothing listens but on
# loopback, and neither systemd nor cgroups are needed.
#
#   cluster.sh install   the packages slurm-wlm and munge, their own services left alone
#   cluster.sh start     munged, slurmctld and two slurmd
#   cluster.sh stop      end all jobs and daemons, and remove the state
#   cluster.sh test      install, then the tests of this folder, which start and stop the cluster
#
# State, logs and sockets lie in $CT2ZARR_SLURM_DIR, by default in /tmp/ct2zarr-slurm.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${CT2ZARR_SLURM_DIR:-${TMPDIR:-/tmp}/ct2zarr-slurm}
config=$state/slurm.conf
# In a job the executor plugin drops all variables of SLURM, also the one that names this file:
# its srun finds the configuration at the place that is built in, or not at all.
installed=/etc/slurm/slurm.conf
nodes=(n1 n2)
port=28017 # of the controller; the nodes have the next ones
export SLURM_CONF=$config
PATH=$PATH:/usr/sbin:/sbin

fail() {
    echo "cluster.sh: $*" >&2
    exit 1
}

within() { # within SECONDS COMMAND...: until it succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@" &>/dev/null; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

install() {
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null &&
        command -v munged >/dev/null && return
    [ "$(id -u)" = 0 ] || fail "only root can install slurm-wlm and munge"
    # Packages start their services when they are installed, unless this answers 101.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
        trap "rm -f $policy" EXIT
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        slurm-wlm munge >/dev/null
}

write_config() {
    local host cpus=16 memory=4000 number=0 node
    host=$(hostname -s)
    cat >"$config" <<CONF
ClusterName=ct2zarr-test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$state/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$state/controller
SlurmctldPidFile=$state/slurmctld.pid
SlurmctldLogFile=$state/log/slurmctld.log
SlurmdSpoolDir=$state/node-%n
SlurmdPidFile=$state/slurmd-%n.pid
SlurmdLogFile=$state/log/slurmd-%n.log
MpiDefault=none
SwitchType=switch/none
TaskPlugin=task/none
# The plugin linuxproc loses the processes of a job whose batch shell has died.
ProctrackType=proctrack/pgid
# A job that takes more memory than it asked for is ended; looked at every second.
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
# squeue tells of a job for so many seconds after its end; there is no accounting here.
MinJobAge=600
AccountingStorageType=accounting_storage/none
# Short waits, and nodes that serve again whatever they were down for.
SchedulerParameters=bf_interval=2,batch_sched_delay=0,sched_min_interval=100000
KillWait=2
InactiveLimit=0
SlurmdTimeout=30
ReturnToService=2
SlurmdParameters=config_overrides
PartitionName=test Nodes=$(IFS=, && echo "${nodes[*]}") Default=YES MaxTime=INFINITE State=UP
CONF
    for node in "${nodes[@]}"; do
        number=$((number + 1))
        echo "NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + number))" \
            "CPUs=$cpus RealMemory=$memory State=UNKNOWN" >>"$config"
    done
}

all_idle() { [ "$(sinfo -hN -o %T | grep -cx idle)" = ${#nodes[@]} ]; }

start() {
    [ "$(id -u)" = 0 ] || fail "slurmd must run as root"
    command -v slurmctld >/dev/null || fail "SLURM is not installed; see 'cluster.sh install'"
    if [ -e $installed ] && [ "$(readlink $installed)" != "$config" ]; then
        fail "$installed belongs to another SLURM, which is left alone"
    fi
    [ ! -e "$state" ] || stop
    mkdir -p "$state"/{controller,log,munge,node-n1,node-n2} "$(dirname $installed)"
    chmod 755 "$state" "$state/munge" # munged refuses folders that others may write to
    write_config
    ln -sfn "$config" $installed

    (umask 077 && head -c 128 /dev/urandom >"$state/munge/key")
    munged --socket="$state/munge/socket" --key-file="$state/munge/key" \
        --pid-file="$state/munged.pid" --log-file="$state/log/munged.log" \
        --seed-file="$state/munge/seed"
    slurmctld -f "$config"
    within 20 scontrol ping || fail "slurmctld does not answer: $(tail "$state/log/slurmctld.log")"
    local node
    for node in "${nodes[@]}"; do slurmd -f "$config" -N "$node"; done
    within 30 all_idle || fail "the nodes do not register: $(tail "$state"/log/slurmd-*.log)"
}

queue_is_empty() { [ -z "$(squeue -h)" ]; }

stop() {
    local file pid
    if [ -s "$state/slurmctld.pid" ] && timeout 10 scontrol ping &>/dev/null; then
        timeout 10 scancel --user=root || true
        within 15 queue_is_empty || true
    fi
    # The controller first: it would wait for nodes that are gone.
    for file in "$state"/{slurmctld,slurmd-n1,slurmd-n2,munged}.pid; do
        [ -s "$file" ] || continue
        pid=$(<"$file")
        kill "$pid" 2>/dev/null || continue
        within 15 eval "! kill -0 $pid" || kill -KILL "$pid" || true
    done
    if [ "$(readlink $installed)" = "$config" ]; then rm -f $installed; fi
    rm -rf "$state"
}

case ${1:-} in
install | start | stop) "$1" ;;
test)
    install
    cd "$here/../.."
    CT2ZARR_REQUIRE_SLURM=1 exec "${PYTHON:-python3}" -m pytest tests/slurm "${@:2}"
    ;;
*)
    sed -n '2,/^set/{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac

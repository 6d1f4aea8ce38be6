# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# start_nfs_server DIR: an NFS server in this guest, of the packages unpacked in DIR, on the loopback.
start_nfs_server() {
    "$ZUMASTOR_ROOT/tests/lib/guest-packages" put "$1"
    ldconfig
    for user in _rpc:499 statd:498; do
        printf '%s:x:%s:65534::/run:/usr/sbin/nologin\n' ${user/:/ } >>/etc/passwd
    done
    mkdir -p /run/rpcbind /run/sendsigs.omit.d
    modprobe nfsd
    mount -t nfsd nfsd /proc/fs/nfsd
    ip link set lo up
    rpcbind
    mkdir -p /var/lib/nfs/v4recovery
    touch /var/lib/nfs/etab /var/lib/nfs/rmtab
    # No delegations: with one, a client of version 4 asks nobody whether its file is still the same.
    echo 0 >/proc/sys/fs/leases-enable
    rpc.mountd
    rpc.nfsd 2
}

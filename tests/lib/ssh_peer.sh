# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For guest tests of replication: this host as its own peer. After guest.sh:
#
#   . "$ZUMASTOR_ROOT/tests/lib/ssh_peer.sh"
#   ssh_peer peer "--send --receive a b" [shared]

# ssh_peer NAME RIGHTS: `ssh NAME` reaches this host with a key that may do what ssh-gate RIGHTS lets it.
ssh_peer() {
    local name=$1 rights=$2
    mkdir -p /run/sshd /root/.ssh /run/keys
    chmod 700 /root/.ssh
    ssh-keygen -q -t ed25519 -N '' -f "/run/keys/$name"
    printf 'restrict,command="%s ssh-gate %s" %s\n' "$(command -v zumastor)" "$rights" "$(cat "/run/keys/$name.pub")" \
        >>/run/keys/authorized
    cat >>/root/.ssh/config <<END_CONFIG
Host $name
    HostName 127.0.0.1
    IdentityFile /run/keys/$name
    IdentitiesOnly yes
    KexAlgorithms curve25519-sha256
    UserKnownHostsFile /run/keys/known
    StrictHostKeyChecking accept-new
    ControlPath /run/keys/%n.socket
END_CONFIG
    if [[ ! -e /run/keys/host ]]; then
        ssh-keygen -q -t ed25519 -N '' -f /run/keys/host
        printf '%s\n' 'ListenAddress 127.0.0.1' 'HostKey /run/keys/host' 'AuthorizedKeysFile /run/keys/authorized' \
            'StrictModes no' 'UsePAM no' 'Subsystem sftp internal-sftp' >/run/keys/sshd_config
        # See tests/vm/guest/peer.
        [[ ! -e /usr/lib/openssh/sshd-session ]] || echo 'PerSourcePenalties no' >>/run/keys/sshd_config
        ip link set lo up
        /usr/sbin/sshd -f /run/keys/sshd_config
    fi
    if [[ ${3:-} == shared ]]; then # one connection for all: its beginning is what takes long in a guest
        ssh -MNf "$name" </dev/null >/dev/null 2>&1
    fi
}

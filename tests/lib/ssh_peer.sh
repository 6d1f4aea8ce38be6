# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For tests of replication that need no more than one guest: it reaches itself through ssh under the name "peer", with a
# key that can do nothing but replicate.

# ssh_peer VOLUME...: those that the key is for.
ssh_peer() {
    mkdir -p /run/sshd /root/.ssh /run/keys
    chmod 700 /root/.ssh
    ssh-keygen -q -t ed25519 -N '' -f /run/keys/host
    ssh-keygen -q -t ed25519 -N '' -f /run/keys/user
    cat >/run/keys/sshd_config <<END
ListenAddress 127.0.0.1
HostKey /run/keys/host
AuthorizedKeysFile /run/keys/authorized
StrictModes no
UsePAM no
END
    echo "restrict,command=\"$(command -v zumastor) ssh-gate --send --receive $*\" $(cat /run/keys/user.pub)" \
        >/run/keys/authorized
    cat >/root/.ssh/config <<END
Host peer
    HostName 127.0.0.1
    IdentityFile /run/keys/user
    UserKnownHostsFile /run/keys/known
    StrictHostKeyChecking accept-new
END
    ip link set lo up
    /usr/sbin/sshd -f /run/keys/sshd_config
}

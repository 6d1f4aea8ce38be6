// SPDX-License-Identifier: GPL-2.0
// What the kernel's NFS server has to know of a volume.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace zumastor {

// Makes the server, if it runs, ask anew what is mounted at the places that it exports: it holds on to the
// filesystem that was there when it last asked. Clients wait for the answer; with an export whose `fsid=` is
// fixed their files stay the same ones. What the server held is let go soon after. Source: as exportfs -f
// does, see exportfs(8) and net/sunrpc/cache.c, write_flush().
void renew_nfs_exports();

// The same, if the server lets go of what it held at once; else nothing is done. It counts in seconds: a
// second flush within one is dated into the next, and until that has passed, nothing is let go though nothing
// old is used any more (write_flush() and cache_clean()). So it is asked for again later, not more often.
// True if there is no server.
bool empty_nfs_caches();

// The addresses of the clients of version 4 that the server keeps something open or locked for on the
// filesystem with that number (as in mountinfo). Of version 3 the server knows no such thing. `clients` is
// for tests.
std::vector<std::string> nfs_clients_on(dev_t filesystem,
                                        const std::string& clients = "/proc/fs/nfsd/clients");

} // namespace zumastor

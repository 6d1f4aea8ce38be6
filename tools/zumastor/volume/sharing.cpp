// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/sharing.h"

#include <cstdio>

#include "tools/zumastor/host/exports.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/volume/samba.h"

namespace zumastor {

void refuse_unshareable(const Volume& volume, const MasterRole& role)
{
    if (role.over_nfs) {
        need_export_clients(canonical(volume.mount_point()));
    }
    if (role.samba) {
        need_samba();
    }
}

void tell_sharing(const Volume& volume)
{
    const std::string& name = volume.config().name;
    if (volume.config().master->samba && !is_share_included(name)) {
        std::printf("for Samba to serve it, write into /etc/samba/smb.conf:\n[%s]\n    include = %s\n",
                    name.c_str(), share_file(name).c_str());
    }
}

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
// A volume and its previous versions over Samba: /etc/samba/zumastor-VOL.conf has the settings that its
// share needs, and smb.conf includes it in that share's section. (It has no section of its own: Samba clears
// what it knows of a section that is opened twice.)
#pragma once

#include <string>

namespace zumastor {

class Volume;

// The settings, for the module shadow_copy2 over the directories of the snapshots. Source:
// vfs_shadow_copy2(8).
std::string format_share(const std::string& volume, const std::string& mount_point,
                         const std::string& snapshot_directory);

// Throws Exit::missing if there is no Samba here.
void need_samba();
// Writes the settings, if the volume's master role has them, and else removes them.
void follow_samba(const Volume& volume);
// Does smb.conf include them?
bool is_share_included(const std::string& volume);
std::string share_file(const std::string& volume);

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
// The disk beneath a volume, while the volume is not there: what is written to it then, past the volume, its
// snapshots do not notice.
//
// From the moment at which udev shows it, the raw origin of a configured volume is write-protected, and found
// by no uuid or label. `start` takes the protection away for as long as the volume is there, and puts it back
// if it fails. After a `stop` that an administrator has asked for, the disk is his: it stays writable until
// the next boot. `forget` gives all back.
//
// Not a file (there is no loop device before the volume is started).
#pragma once

#include <string>

#include "tools/zumastor/config/config.h"

namespace zumastor {

// What udev is told of the volume's raw origin: which device it is, and to protect it if the volume has not
// been started since the last boot. Empty for a file.
std::string origin_rule(const VolumeConfig& config);
// A file of udev's, of the rules of all volumes; empty if there are none.
std::string origin_rules_file(const std::string& rules);

// The file's place: between the rules that look for filesystems and make links, and those that act on what
// was found (btrfs, md, LVM, bcache, desktops).
extern const char* const kOriginRules;

// Makes udev look at the volume's raw origin again, after the rules have changed.
void refresh_raw_origin(const VolumeConfig& config);

// Takes the write protection away; puts it back when it ends, unless `keep` was called. `runtime`: the
// volume's directory below /run, by which udev's rule knows that there is nothing to protect any more.
class WritableOrigin {
public:
    WritableOrigin(std::string runtime, std::string device);
    ~WritableOrigin();
    WritableOrigin(const WritableOrigin&) = delete;
    WritableOrigin& operator=(const WritableOrigin&) = delete;

    void keep() noexcept { protected_before_ = false; }

private:
    std::string runtime_;
    std::string device_;
    bool protected_before_ = false;
};

// For good, until the next boot. A device that is not there needs none.
void give_raw_origin_back(const VolumeConfig& config);

} // namespace zumastor

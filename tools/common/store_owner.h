// SPDX-License-Identifier: GPL-2.0
// Which configured volume a snapshot store belongs to: by the uuid in its superblock, as a device has many
// paths (multipath, a linear mapping, a loop device, a link), and the store one uuid.
#pragma once

#include <optional>
#include <string>

#include "tools/common/offline_store.h"

namespace zumastor {

inline constexpr const char* kConfigDirectory = "/etc/zumastor"; // of VOL.toml

// The volume whose file in `directory` has that uuid; empty if none has. The text is looked through, not
// parsed: a file with a mistake elsewhere still owns its store. Throws if a file cannot be read.
std::optional<std::string> owner_of_store(const std::string& uuid,
                                          const std::string& directory = kConfigDirectory);

// Throws Exit::busy, naming the volume, if one of the devices holds the store of a configured one.
void refuse_owned_store(const StorePaths& paths);

} // namespace zumastor

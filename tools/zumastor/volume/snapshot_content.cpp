// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/snapshot_content.h"

#include <unistd.h>

namespace zumastor {

std::unique_ptr<SnapshotContent> open_content(const Volume& volume, const SnapshotEntry& snapshot)
{
    const StorePaths paths = volume.attach_devices();
    ddsnap::client::DeviceOptions options;
    options.data_socket = volume.paths().agent_socket;
    options.origin = paths.origin.path;
    options.store = paths.store.path;
    options.name = "zumastor (process " + std::to_string(::getpid()) + ")";
    options.read_only = true;
    return std::make_unique<SnapshotContent>(snapshot.id, options);
}

} // namespace zumastor

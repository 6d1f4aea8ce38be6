// SPDX-License-Identifier: GPL-2.0
// The daemon's disks: origin, store, metadata and witness, as files and in the ring.
#pragma once

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "ddsnapd/daemon/disk_file.h"
#include "ddsnapd/daemon/io_ring.h"
#include "ddsnapd/daemon/options.h"
#include "ddsnapd/daemon/start_failure.h"
#include "ddsnapd/service/service_log.h"
#include "snapstore/store.h"

namespace ddsnap::daemon {

struct Disks {
    snapstore::Devices devices();

    DiskFile origin;
    DiskFile store;
    std::optional<DiskFile> meta;
    std::optional<DiskFile> witness;
    IoRing ring;
};

// Opens them all, locks the store's, and gives them to the ring.
tl::expected<void, StartFailure> open_disks(const Options& options, Disks& disks, ServiceLog& log);

// How large they are now, for the ring. Empty, or what is wrong.
std::string measure_disks(Disks& disks);

} // namespace ddsnap::daemon

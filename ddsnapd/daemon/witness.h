// SPDX-License-Identifier: GPL-2.0
// The witness of the daemon's store: see ddsnapd/disk/witness_file.h.
#pragma once

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "ddsnapd/daemon/disk_file.h"
#include "ddsnapd/service/service_log.h"

namespace ddsnap::daemon {

// Opens the witness in `directory` of the store whose superblocks are on `metadata`, and makes it if need be.
// None, with a warning in the log, if there can be none; one that is there and cannot be used is an error,
// for it may hold that the snapshots are lost.
tl::expected<std::optional<DiskFile>, StartFailure> open_witness(const std::string& directory,
                                                                 const DiskFile& metadata,
                                                                 const DiskFile& origin,
                                                                 const DiskFile& store, ServiceLog& log);

} // namespace ddsnap::daemon

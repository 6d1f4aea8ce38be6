// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/disks.h"

#include <chrono>
#include <vector>

#include "ddsnapd/daemon/witness.h"

namespace ddsnap::daemon {

namespace {
constexpr std::chrono::milliseconds kLockPatience{10'000};
} // namespace

// As they are in the ring: in the order in which open_disks() gives them to it.
snapstore::Devices Disks::devices()
{
    std::size_t next = 2;
    snapstore::BlockDevice* metadata = meta ? &ring.disk(next++) : nullptr;
    return {.origin = &ring.disk(0),
            .store = &ring.disk(1),
            .meta = metadata,
            .witness = witness ? &ring.disk(next) : nullptr};
}

tl::expected<void, StartFailure> open_disks(const Options& options, Disks& disks, ServiceLog& log)
{
    const auto open_into = [&](DiskFile& to, const std::string& path, Exclusive exclusive) {
        auto disk = open_disk(path, exclusive, kLockPatience);
        if (!disk) {
            return tl::expected<void, StartFailure>{tl::unexpected(disk.error())};
        }
        if (!disk->direct) {
            log.log(Severity::warning,
                    path + ": O_DIRECT is not possible here; I/O goes through the page cache");
        }
        to = std::move(*disk);
        return exclusive == Exclusive::no ? tl::expected<void, StartFailure>{} : lock_disk(to, kLockPatience);
    };
    if (auto done = open_into(disks.origin, options.origin, Exclusive::no); !done) {
        return done;
    }
    if (auto done = open_into(disks.store, options.store, Exclusive::lock); !done) {
        return done;
    }
    std::vector<const DiskFile*> files{&disks.origin, &disks.store};
    if (options.meta) {
        disks.meta.emplace();
        if (auto done = open_into(*disks.meta, *options.meta, Exclusive::alone); !done) {
            return done;
        }
        files.push_back(&*disks.meta);
    }
    auto witness = open_witness(options.witness, *files.back(), disks.origin, disks.store, log);
    if (!witness) {
        return tl::unexpected(witness.error());
    }
    disks.witness = std::move(*witness);
    if (disks.witness) {
        files.push_back(&*disks.witness);
    }
    return disks.ring.open(files);
}

std::string measure_disks(Disks& disks)
{
    std::vector<const DiskFile*> files{&disks.origin, &disks.store}; // as in open_disks()
    if (disks.meta) {
        files.push_back(&*disks.meta);
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto size = measure_disk(*files[i]);
        if (!size) {
            return size.error();
        }
        disks.ring.set_size(i, *size);
    }
    return {};
}

} // namespace ddsnap::daemon

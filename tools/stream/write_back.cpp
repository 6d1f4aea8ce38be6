// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/write_back.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "tools/common/failure.h"
#include "tools/stream/aligned_memory.h"
#include "tools/stream/devices.h"

namespace zumastor {
namespace {

constexpr std::uint64_t kStep = 1u << 20;

// Calls visit(offset, length) for what may differ, in steps of at most kStep, until it returns false.
void for_each_changed(Daemon& daemon, const SnapshotEntry& base, const Compared& compared,
                      const std::function<bool(std::uint64_t, std::uint64_t)>& visit)
{
    const std::uint64_t chunk = compared.chunk_bytes;
    RangesWithout rest(compared.without);
    daemon.delta(base, std::nullopt, compared.first, [&](const DeltaRange& changed) {
        return changed.first * chunk < compared.end && rest.visit_rest(changed, [&](const DeltaRange& range) {
            const std::uint64_t end = std::min((range.first + range.count) * chunk, compared.end);
            for (std::uint64_t at = range.first * chunk; at < end; at += kStep) {
                check_interrupt();
                if (!visit(at, std::min(kStep, end - at))) {
                    return false;
                }
            }
            return true;
        });
    });
}

} // namespace

Compared all_of(Daemon& daemon, const SnapshotEntry& base)
{
    const VolumeEntry store = daemon.status();
    return {store.chunk_bytes, std::min(base.sectors, store.origin_sectors) * 512};
}

bool device_equals(const std::string& device, Daemon& daemon, const SnapshotEntry& base,
                   const std::function<std::unique_ptr<stream::SnapshotReader>()>& open,
                   const Compared& compared)
{
    const DeviceWriter origin(device);
    const AlignedMemory then(kStep);
    const AlignedMemory now(kStep);
    std::unique_ptr<stream::SnapshotReader> content;
    bool equal = true;
    for_each_changed(daemon, base, compared, [&](std::uint64_t offset, std::uint64_t length) {
        if (!content) {
            content = open();
        }
        content->read(offset, then.bytes().first(length));
        origin.read(offset, now.bytes().first(length));
        equal = std::equal(then.bytes().begin(), then.bytes().begin() + static_cast<std::ptrdiff_t>(length),
                           now.bytes().begin());
        return equal;
    });
    return equal;
}

// Many small ranges are read together, then written together.
void write_back(const std::string& device, Daemon& daemon, const SnapshotEntry& to,
                stream::SnapshotReader& content)
{
    DeviceWriter origin(device);
    const AlignedMemory memory(kStep);
    std::vector<stream::ContentPart> then;
    std::uint64_t used = 0; // of the memory
    const auto write = [&] {
        content.read_all(then);
        std::vector<stream::VolumePart> now;
        now.reserve(then.size());
        for (const stream::ContentPart& part : then) {
            now.push_back({part.offset, part.data});
        }
        origin.write_all(now);
        then.clear();
        used = 0;
    };
    for_each_changed(daemon, to, all_of(daemon, to), [&](std::uint64_t offset, std::uint64_t length) {
        if (used + length > kStep) {
            write();
        }
        then.push_back({offset, memory.bytes().subspan(used, length)});
        used += length; // a multiple of 4096, but for the last chunk
        return true;
    });
    if (!then.empty()) {
        write();
    }
    origin.flush();
}

std::uint64_t bytes_to_write_back(Daemon& daemon, const SnapshotEntry& to)
{
    std::uint64_t bytes = 0;
    for_each_changed(daemon, to, all_of(daemon, to), [&](std::uint64_t /*offset*/, std::uint64_t length) {
        bytes += length;
        return true;
    });
    return bytes;
}

} // namespace zumastor

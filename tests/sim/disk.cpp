// SPDX-License-Identifier: GPL-2.0
#include "sim/disk.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace sim {

using Op = snapstore::IoRequest::Op;

Disk::Disk(Context& context, std::string name, std::uint64_t sectors, Micros latency, std::uint64_t capacity)
    : context_(context), name_(std::move(name)), sectors_(sectors), capacity_(std::max(sectors, capacity)),
      latency_(latency), bytes_((capacity_ + kSectorsPerBlock - 1) / kSectorsPerBlock * kBlock),
      content_(static_cast<std::byte*>(std::calloc(bytes_, 1)))
{}

void Disk::submit(snapstore::IoRequest& request)
{
    if (request.offset.value % kBlock != 0 || request.buffer.size() % kBlock != 0 ||
        request.offset.value + request.buffer.size() >
            (sectors_ + kSectorsPerBlock - 1) / kSectorsPerBlock * kBlock) {
        context_.fail(fmt::format("{}: I/O at {}+{} is misaligned or beyond the end", name_,
                                  request.offset.value, request.buffer.size()));
        return;
    }
    pending_.push_back(&request);
    const auto place = std::prev(pending_.end());
    if (request.op == Op::write && context_.rng.percent(25)) {
        // The first part is in the cache long before the rest.
        store(request, first_sector(request), context_.rng.below(request.buffer.size() / kSector));
    }
    context_.scheduler.after(context_.delay(latency_),
                             [this, place, generation = generation_, submitted = clock_] {
                                 if (generation == generation_) {
                                     snapstore::IoRequest* due = *place;
                                     pending_.erase(place);
                                     complete(*due, submitted);
                                 }
                             });
}

void Disk::complete(snapstore::IoRequest& request, std::uint64_t submitted)
{
    request.status = snapstore::IoStatus::ok;
    if (request.op == Op::read) {
        std::memcpy(request.buffer.data(), content_.get() + request.offset.value, request.buffer.size());
    } else if (request.op == Op::write) {
        const std::uint64_t first = first_sector(request);
        const std::uint64_t count = request.buffer.size() / kSector;
        store(request, first, count);
        ++clock_;
        for (std::uint64_t sector = first; sector < std::min(first + count, sectors_); ++sector) {
            for (Version& version : unflushed_[sector].versions) {
                if (version.writer == &request) {
                    version.writer = nullptr;
                    version.when = clock_;
                }
            }
        }
    } else {
        flush(submitted);
    }
    request.on_complete(request);
}

// Into the cache. What lies beyond the end of the device is lost at once.
void Disk::store(snapstore::IoRequest& request, std::uint64_t first, std::uint64_t count)
{
    for (std::uint64_t i = 0; i < count && first + i < sectors_; ++i) {
        const auto now = std::span(content_.get(), bytes_).subspan((first + i) * kSector, kSector);
        const auto data = request.buffer.subspan(i * kSector, kSector);
        Unflushed& sector = unflushed_[first + i];
        if (sector.durable.empty()) {
            sector.durable.assign(now.begin(), now.end());
        }
        sector.versions.push_back({0, &request, {data.begin(), data.end()}});
        std::memcpy(now.data(), data.data(), kSector);
    }
}

void Disk::overwrite(std::uint64_t sector, std::span<const std::byte> bytes)
{
    std::memcpy(content_.get() + sector * kSector, bytes.data(), kSector);
    unflushed_.erase(sector);
}

void Disk::flush(std::uint64_t submitted)
{
    for (auto it = unflushed_.begin(); it != unflushed_.end();) {
        std::deque<Version>& versions = it->second.versions;
        std::size_t covered = 0;
        for (std::size_t i = 0; i < versions.size(); ++i) {
            if (versions[i].when != 0 && versions[i].when <= submitted) {
                covered = i + 1;
            }
        }
        if (covered > 0) {
            it->second.durable = std::move(versions[covered - 1].bytes);
            versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(covered));
        }
        it = versions.empty() ? unflushed_.erase(it) : std::next(it);
    }
}

void Disk::power_cut()
{
    ++generation_;
    for (snapstore::IoRequest* request : pending_) {
        if (request->op == Op::write && context_.rng.percent(50)) {
            store(*request, first_sector(*request), request->buffer.size() / kSector);
        }
    }
    // Now and then the cache is lost, or kept, as a whole.
    const std::uint64_t mood = context_.rng.below(4);
    for (auto& [sector, unflushed] : unflushed_) {
        const std::uint64_t choices = unflushed.versions.size() + 1;
        const std::uint64_t kept = mood == 0 ? 0 : mood == 1 ? choices - 1 : context_.rng.below(choices);
        const auto& bytes = kept == 0 ? unflushed.durable : unflushed.versions[kept - 1].bytes;
        std::memcpy(content_.get() + sector * kSector, bytes.data(), kSector);
    }
    unflushed_.clear();
    for (snapstore::IoRequest* request : std::exchange(pending_, {})) {
        request->status = snapstore::IoStatus::error;
        request->on_complete(*request); // to a port whose owner is dead: only frees it
    }
}

} // namespace sim

// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/repair.h"
#include "tools/zumastor/config/troubles.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "tools/common/text.h"
#include "tools/common/uuid_text.h"
#include "tools/stream/aligned_memory.h"
#include "tools/stream/devices.h"
#include "tools/stream/receiver.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/replication/receiving.h"
#include "tools/zumastor/replication/replica.h"
#include "tools/zumastor/volume/rollback.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

using ddsnap::client::SnapshotDevice;

// The snapshot, written to: its private chunks.
class SnapshotWriter final : public stream::VolumeWriter {
public:
    SnapshotWriter(const Volume& volume, const SnapshotEntry& snapshot)
        : label_(volume.what() + ": snapshot " + std::to_string(snapshot.id))
    {
        const StorePaths paths = volume.attach_devices();
        ddsnap::client::DeviceOptions options;
        options.data_socket = volume.paths().agent_socket;
        options.origin = paths.origin.path;
        options.store = paths.store.path;
        options.name = "zumastor verify --repair (process " + std::to_string(::getpid()) + ")";
        // Readers that have just ended, as our own, are known to the daemon as readers for a moment more.
        const auto deadline = std::chrono::steady_clock::now() + kReadersLeave;
        for (;;) {
            auto opened = SnapshotDevice::open(snapstore::SnapshotId{snapshot.id}, options);
            if (opened) {
                device_ = std::move(*opened);
                return;
            }
            if (std::chrono::steady_clock::now() > deadline) {
                throw Failure(Exit::busy, label_ + " cannot be written: " + opened.error(),
                              "end the programs that read the snapshot, then try again");
            }
            check_interrupt();
            ::poll(nullptr, 0, kPollMs);
        }
    }

    void write(std::uint64_t offset, stream::Bytes data) override
    {
        need(device_->write(offset, data), "be written at byte " + std::to_string(offset));
    }

    void zero(std::uint64_t offset, std::uint64_t length) override
    {
        const AlignedMemory memory(kZeros);
        std::fill(memory.bytes().begin(), memory.bytes().end(), std::byte{0});
        for (const std::uint64_t end = offset + length; offset < end; offset += kZeros) {
            write(offset, memory.bytes().first(std::min<std::uint64_t>(kZeros, end - offset)));
        }
    }

    void flush() override { need(device_->flush(), "be flushed"); }

    // The store need not remember any more that somebody may write to the snapshot.
    void close()
    {
        flush();
        if (!device_->bye()) {
            throw Failure(Exit::failed, label_ + ": the daemon does not answer", "see its log");
        }
    }

private:
    static constexpr std::size_t kZeros = 1u << 20;
    static constexpr std::chrono::seconds kReadersLeave{5};
    static constexpr int kPollMs = 20; // their leaving has no event that could be waited for

    void need(ddsnap::wire::Status status, const std::string& what) const
    {
        if (status != ddsnap::wire::Status::ok) {
            throw stream::TransferError(label_ + " cannot " + what + ": " +
                                        std::string(ddsnap::wire::name_of(status)));
        }
    }

    std::string label_;
    std::unique_ptr<SnapshotDevice> device_;
};

stream::Header need_repair_header(const Volume& volume, const SnapshotEntry& snapshot,
                                  stream::StreamReader& reader)
{
    const auto header = reader.begin();
    if (!header) {
        throw Failure(Exit::failed, volume.what() + ": byte " + std::to_string(header.error().offset) +
                                        " of the repair stream: " + header.error().what);
    }
    const bool fits = header->from == header->to && format_uuid(header->to) == snapshot.uuid &&
                      header->sectors <= snapshot.sectors;
    if (!fits) {
        throw Failure(Exit::mismatch,
                      volume.what() + ": the repair stream does not fit snapshot " + snapshot.uuid);
    }
    return *header;
}

void write_snapshot(const Volume& volume, const SnapshotEntry& snapshot, stream::StreamReader& reader)
{
    SnapshotWriter writer(volume, snapshot);
    const stream::ReceiveHooks hooks{[](const stream::ReceiveProgress&) { check_interrupt(); },
                                     [](std::uint64_t) {}}; // a repetition begins with a comparison
    stream::receive(reader, writer, {}, hooks);
    writer.close();
}

// The next incremental stream is applied to the origin: it must be what the snapshot is now.
void repair_origin(const Volume& volume, const SnapshotEntry& snapshot, bool changed)
{
    Daemon daemon = volume.daemon();
    ReplicaState state = load_replica_state(volume.paths().state);
    if (state.last != snapshot.uuid || (!changed && state.reception)) {
        return;
    }
    if (state.reception) {
        note(volume.what() + ": an unfinished stream is taken back; the next cycle sends it again");
    }
    if (changed || !origin_equals(volume, daemon, snapshot)) {
        roll_back(volume, daemon, state);
    }
}

void show_again(Volume& volume)
{
    Troubles troubles;
    show_received(volume, troubles);
    for (const std::string& trouble : troubles) {
        note(trouble);
    }
}

} // namespace

void repair_from(Volume& volume, const SnapshotEntry& snapshot, int fd)
{
    const VolumeLock lock(volume.config().name, "receive");
    refuse_wrong_role(volume);
    stream::FdSource source(fd);
    stream::StreamReader reader(source);
    const bool changes = need_repair_header(volume, snapshot, reader).chunks > 0;
    try {
        if (changes) {
            {
                const VolumeLock no_mounting(volume.config().name);
                hide_snapshot(volume, snapshot.id);
            }
            write_snapshot(volume, snapshot, reader);
        }
        repair_origin(volume, snapshot, changes);
    } catch (const std::runtime_error&) {
        show_again(volume);
        throw;
    }
    show_again(volume);
}

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
#include <optional>
#include <stdexcept>

#include "ddsnapd/disk/raw_disk.h"
#include "snapstore/store.h"
#include "tests/native/volume.h"

namespace ddsnap::test {
namespace {

using snapstore::IoRequest;
using snapstore::IoStatus;

// Requests wait in a list; pump() performs them.
class FileDisk final : public snapstore::BlockDevice {
public:
    explicit FileDisk(const std::string& path) : disk_(RawDisk::open(path).value()) {}
    snapstore::Bytes size() const noexcept override { return snapstore::Bytes{disk_.size()}; }
    void submit(IoRequest& request) noexcept override
    {
        request.next = waiting_;
        waiting_ = &request;
    }
    bool pump()
    {
        IoRequest* r = waiting_;
        if (r == nullptr) {
            return false;
        }
        waiting_ = r->next;
        const bool good = r->op == IoRequest::Op::flush  ? disk_.flush()
                          : r->op == IoRequest::Op::read ? disk_.read(r->offset.value, r->buffer)
                                                         : disk_.write(r->offset.value, r->buffer);
        r->status = good ? IoStatus::ok : IoStatus::error;
        r->on_complete(*r);
        return true;
    }

private:
    RawDisk disk_;
    IoRequest* waiting_ = nullptr;
};

snapstore::Task<void> initialize(snapstore::FramePool& frames, snapstore::Devices devices,
                                 snapstore::Format format, std::optional<snapstore::Result<void>>& result)
{
    result = co_await snapstore::Store::initialize(frames, devices, format);
}

} // namespace

void format_store(const std::string& origin, const std::string& store, const std::string& meta,
                  std::uint32_t chunk_shift)
{
    FileDisk origin_disk(origin);
    FileDisk store_disk(store);
    std::unique_ptr<FileDisk> meta_disk = meta.empty() ? nullptr : std::make_unique<FileDisk>(meta);
    snapstore::Format format;
    format.chunk_shift = chunk_shift;
    format.uuid = client::random_client_id();
    format.origin_size = to_sectors_floor(origin_disk.size());
    snapstore::FramePool frames;
    std::optional<snapstore::Result<void>> result;
    spawn(frames, initialize(frames, {&origin_disk, &store_disk, meta_disk.get()}, format, result));
    while (!result && (origin_disk.pump() || store_disk.pump() || (meta_disk && meta_disk->pump()))) {
    }
    if (!result || !*result) {
        throw std::runtime_error(std::string("cannot initialize the store: ") +
                                 (result ? result->error().what : "it does not end"));
    }
}

} // namespace ddsnap::test

// SPDX-License-Identifier: GPL-2.0
#include "tools/common/file_device.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace zumastor {

using snapstore::IoRequest;
using snapstore::IoStatus;

void FileIo::run()
{
    while (!queue_.empty()) {
        const auto [device, request] = queue_.front();
        queue_.pop_front();
        device->execute(*request);
        request->on_complete(*request); // may submit more; `request` may be gone afterwards
    }
}

FileDevice::FileDevice(FileIo& io, ddsnap::UniqueFd fd, snapstore::Bytes size, std::string name)
    : io_(io),
      fd_(std::move(fd)), size_{size.value / snapstore::kSectorSize.value * snapstore::kSectorSize.value},
      name_(std::move(name))
{}

void FileDevice::submit(IoRequest& request) noexcept { io_.queue_.emplace_back(this, &request); }

void FileDevice::execute(IoRequest& request)
{
    bool ok = false;
    switch (request.op) {
    case IoRequest::Op::read:
        ok = transfer(request, false);
        break;
    case IoRequest::Op::write:
        ok = transfer(request, true);
        break;
    case IoRequest::Op::flush:
        ok = ::fsync(fd_.get()) == 0;
        break;
    }
    if (!ok) {
        last_error_ = std::strerror(errno);
    }
    request.status = ok ? IoStatus::ok : IoStatus::error;
}

// A device whose size is no multiple of the block size ends within a block: the rest reads as zeros.
bool FileDevice::transfer(const IoRequest& request, bool write)
{
    const std::uint64_t start = std::min(request.offset.value, size_.value);
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(request.buffer.size(), size_.value - start));
    if (!write) {
        std::fill(request.buffer.begin() + static_cast<std::ptrdiff_t>(wanted), request.buffer.end(),
                  std::byte{0});
    }
    std::size_t done = 0;
    while (done < wanted) {
        std::byte* at = request.buffer.data() + done;
        const auto place = static_cast<off_t>(start + done);
        const ssize_t n = write ? ::pwrite(fd_.get(), at, wanted - done, place)
                                : ::pread(fd_.get(), at, wanted - done, place);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return false;
        }
        done += static_cast<std::size_t>(n);
    }
    return true;
}

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/io_ring.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace ddsnap::daemon {

using snapstore::IoRequest;
using snapstore::IoStatus;
using Op = IoRequest::Op;

void IoRing::Disk::submit(IoRequest& request) noexcept
{
    request.next = nullptr;
    (tail != nullptr ? tail->next : head) = &request;
    tail = &request;
}

tl::expected<void, StartFailure> IoRing::open(const std::vector<const DiskFile*>& files)
{
    const auto failed = [](const char* what, int error) {
        return tl::unexpected(
            StartFailure{fmt::format("io_uring: {}: {}", what, std::strerror(error)), is_shortage(error)});
    };
    if (const int r = ::io_uring_queue_init(kOperations, &ring_, 0); r < 0) {
        return failed("cannot set up", -r);
    }
    opened_ = true;
    std::vector<int> fds;
    for (const DiskFile* file : files) {
        Disk& disk = disks_[fds.size()];
        disk.index = static_cast<unsigned>(fds.size());
        disk.bytes = file->size;
        disk.path = file->path;
        fds.push_back(file->fd.get());
    }
    if (const int r = ::io_uring_register_files(&ring_, fds.data(), static_cast<unsigned>(fds.size()));
        r < 0) {
        return failed("cannot register the devices", -r);
    }
    event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_) {
        return failed("eventfd", errno);
    }
    if (const int r = ::io_uring_register_eventfd(&ring_, event_.get()); r < 0) {
        return failed("cannot register the eventfd", -r);
    }
    operations_.resize(kOperations);
    for (Operation& op : operations_) {
        op.next = free_;
        free_ = &op;
    }
    return {};
}

IoRing::~IoRing()
{
    if (opened_) {
        ::io_uring_queue_exit(&ring_);
    }
}

// Bytes that lie on the device.
std::size_t IoRing::wanted(const Operation& op) noexcept
{
    const std::uint64_t size = op.disk->bytes.value;
    const std::uint64_t offset = op.request->offset.value;
    return offset >= size ? 0 : std::min<std::uint64_t>(op.request->buffer.size(), size - offset);
}

// False if the submission queue is full.
bool IoRing::prepare(Operation& op) noexcept
{
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
        return false;
    }
    const IoRequest& r = *op.request;
    const int file = static_cast<int>(op.disk->index);
    if (r.op == Op::flush) {
        ::io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
    } else {
        const auto left = static_cast<unsigned>(wanted(op) - op.done);
        std::byte* at = r.buffer.data() + op.done;
        const std::uint64_t offset = r.offset.value + op.done;
        if (r.op == Op::read) {
            ::io_uring_prep_read(sqe, file, at, left, offset);
        } else {
            ::io_uring_prep_write(sqe, file, at, left, offset);
        }
    }
    sqe->flags |= IOSQE_FIXED_FILE;
    ::io_uring_sqe_set_data(sqe, &op);
    ++in_kernel_;
    return true;
}

void IoRing::start(Disk& disk) noexcept
{
    while (disk.head != nullptr && free_ != nullptr) {
        Operation& op = *free_;
        op.request = disk.head;
        op.disk = &disk;
        op.done = 0;
        if (op.request->op != Op::flush && wanted(op) == 0) { // wholly beyond the end
            free_ = op.next;
            disk.head = op.request->next;
            disk.tail = disk.head == nullptr ? nullptr : disk.tail;
            finish(op, IoStatus::ok);
            continue;
        }
        Operation* next = op.next;
        if (!prepare(op)) {
            return;
        }
        free_ = next;
        disk.head = op.request->next;
        disk.tail = disk.head == nullptr ? nullptr : disk.tail;
    }
}

void IoRing::flush() noexcept
{
    while (retry_ != nullptr) {
        Operation* op = retry_;
        if (!prepare(*op)) {
            break;
        }
        retry_ = op->next;
    }
    for (Disk& disk : disks_) {
        start(disk);
    }
    if (::io_uring_sq_ready(&ring_) == 0) {
        return;
    }
    // -EBUSY, -EAGAIN and -ENOMEM leave the entries in the ring: they go with the next turn, which a
    // completion or the daemon's timer begins.
    (void)::io_uring_submit(&ring_);
}

void IoRing::reap() noexcept
{
    std::uint64_t count = 0;
    (void)!::read(event_.get(), &count, sizeof count);
    io_uring_cqe* cqe = nullptr;
    while (::io_uring_peek_cqe(&ring_, &cqe) == 0) {
        auto& op = *static_cast<Operation*>(::io_uring_cqe_get_data(cqe));
        const int result = cqe->res;
        ::io_uring_cqe_seen(&ring_, cqe);
        --in_kernel_;
        complete(op, result);
    }
}

void IoRing::complete(Operation& op, int result) noexcept
{
    // -ENOMEM: not even in the reserves. Nothing of the device has failed.
    if (result == -EAGAIN || result == -EINTR || result == -ENOMEM) {
        op.next = retry_;
        retry_ = &op;
        return;
    }
    if (result < 0) {
        return finish(op, IoStatus::error);
    }
    if (op.request->op == Op::flush) {
        return finish(op, IoStatus::ok);
    }
    op.done += static_cast<std::size_t>(result);
    bytes_moved_ += static_cast<std::uint64_t>(result);
    if (op.done >= wanted(op)) {
        return finish(op, IoStatus::ok);
    }
    if (result == 0) { // the device has shrunk
        return finish(op, IoStatus::error);
    }
    op.next = retry_;
    retry_ = &op;
}

void IoRing::finish(Operation& op, IoStatus status) noexcept
{
    IoRequest& request = *op.request;
    if (status == IoStatus::error) {
        ++errors_;
    } else if (request.op == Op::read && op.done < request.buffer.size()) {
        const auto rest = request.buffer.subspan(op.done);
        std::fill(rest.begin(), rest.end(), std::byte{0});
    }
    op.next = free_;
    free_ = &op;
    request.status = status;
    request.on_complete(request);
}

} // namespace ddsnap::daemon

// SPDX-License-Identifier: GPL-2.0
#include "tests/support/memory_world.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace zumastor::test {

namespace {

[[noreturn]] void die(const char* what)
{
    (void)std::fprintf(stderr, "MemoryWorld: %s\n", what);
    std::abort();
}

} // namespace

MemoryDisk::MemoryDisk(MemoryQueue& queue, Bytes size) : queue_(queue), size_(size)
{
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = ::mmap(nullptr, size.value, PROT_READ | PROT_WRITE, kFlags, -1, 0);
    if (memory == MAP_FAILED) {
        die("no memory for a disk");
    }
    content_ = static_cast<std::byte*>(memory);
}

MemoryDisk::~MemoryDisk() { ::munmap(content_, size_.value); }

void MemoryDisk::submit(IoRequest& request) noexcept { queue_.push(*this, request); }

void MemoryDisk::execute(IoRequest& request) noexcept
{
    const std::size_t length = request.buffer.size();
    if (request.offset.value > size_.value || length > size_.value - request.offset.value) {
        die("I/O beyond the end");
    }
    std::byte* place = content_ + request.offset.value;
    if (request.op == IoRequest::Op::read) {
        std::memcpy(request.buffer.data(), place, length);
    } else if (request.op == IoRequest::Op::write) {
        std::memcpy(place, request.buffer.data(), length);
    }
    request.status = IoStatus::ok;
}

// Executed at once; completed later, as the engine wants it.
void MemoryQueue::push(MemoryDisk& disk, IoRequest& request) noexcept
{
    disk.execute(request);
    request.next = nullptr;
    (tail_ != nullptr ? tail_->next : head_) = &request;
    tail_ = &request;
}

bool MemoryQueue::pump() noexcept
{
    IoRequest* request = head_;
    if (request == nullptr) {
        return false;
    }
    head_ = request->next;
    if (head_ == nullptr) {
        tail_ = nullptr;
    }
    request->on_complete(*request);
    return true;
}

MemoryWorld::MemoryWorld(Bytes origin, Bytes store, std::uint32_t chunk_shift, const StoreConfig& config)
    : chunk_shift_(chunk_shift), config_(config), origin_(queue_, origin), disk_(queue_, store)
{}

Result<void> MemoryWorld::open()
{
    const Devices devices{&origin_, &disk_, nullptr};
    Format format;
    format.chunk_shift = chunk_shift_;
    format.uuid.fill(std::byte{0x5a});
    format.origin_size = to_sectors_floor(origin_.size());
    if (auto made = run(Store::initialize(frames_, devices, format)); !made) {
        return made;
    }
    store_ = std::make_unique<Store>(devices, config_, *this);
    const auto opened = run(store_->open());
    return opened ? Result<void>{} : tl::unexpected(opened.error());
}

void MemoryWorld::step()
{
    if (queue_.pump()) {
        idle_ = 0;
        return;
    }
    if (store_ == nullptr || ++idle_ > 1'000'000) {
        die("nothing can go on any more");
    }
    if (store_->upkeep().wants_refill()) {
        store_->upkeep().refill();
    }
    store_->upkeep().tick();
}

} // namespace zumastor::test

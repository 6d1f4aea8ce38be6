// SPDX-License-Identifier: GPL-2.0
#include "sim/port.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace sim {
namespace {

constexpr Micros kQueueDelay = 40;

struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
};
using AlignedBuffer = std::unique_ptr<std::byte, Free>;

AlignedBuffer aligned_buffer(std::size_t bytes)
{
    return AlignedBuffer(static_cast<std::byte*>(std::aligned_alloc(kBlock, std::max(bytes, kBlock))));
}

} // namespace

struct Port::Job {
    snapstore::IoRequest mine;              // what the disk sees
    snapstore::IoRequest* theirs = nullptr; // what the owner submitted; null once the owner is dead
    Port* port = nullptr;
    AlignedBuffer buffer;
    std::shared_ptr<std::size_t> under_way;
    std::shared_ptr<Job> self; // while the disk has it
    std::list<std::shared_ptr<Job>>::iterator place;
    bool dropped = false;
};

// A client's request: owns buffer and callback.
struct Port::ClientIo {
    snapstore::IoRequest request;
    AlignedBuffer buffer;
    ReadDone read_done;
    Done done;
};

void Port::submit(snapstore::IoRequest& request) noexcept
{
    if (dead_) {
        orphans_.push_back(&request);
        return;
    }
    auto job = std::make_shared<Job>();
    job->theirs = &request;
    job->port = this;
    job->under_way = under_way_;
    job->mine.op = request.op;
    job->mine.offset = request.offset;
    job->mine.context = job.get();
    job->mine.on_complete = &Port::completed;
    if (!request.buffer.empty()) {
        job->buffer = aligned_buffer(request.buffer.size());
        job->mine.buffer = {job->buffer.get(), request.buffer.size()};
        if (request.op == snapstore::IoRequest::Op::write) {
            std::memcpy(job->buffer.get(), request.buffer.data(), request.buffer.size());
        }
    }
    jobs_.push_back(job);
    job->place = std::prev(jobs_.end());
    ++*under_way_;
    context_.scheduler.after(context_.delay(kQueueDelay), [&disk = disk_, job] { issue(disk, job); });
}

void Port::issue(Disk& disk, const std::shared_ptr<Job>& job)
{
    if (job->dropped) {
        --*job->under_way;
        return;
    }
    job->self = job;
    disk.submit(job->mine);
}

void Port::completed(snapstore::IoRequest& request) noexcept
{
    auto* raw = static_cast<Job*>(request.context);
    const std::shared_ptr<Job> job = std::move(raw->self);
    --*job->under_way;
    if (job->theirs == nullptr) {
        return;
    }
    snapstore::IoRequest& theirs = *job->theirs;
    job->port->jobs_.erase(job->place);
    theirs.status = request.status;
    if (request.op == snapstore::IoRequest::Op::read && request.status == snapstore::IoStatus::ok) {
        std::memcpy(theirs.buffer.data(), request.buffer.data(), request.buffer.size());
    }
    theirs.on_complete(theirs);
}

void Port::kill(Death death)
{
    dead_ = true;
    for (const std::shared_ptr<Job>& job : jobs_) {
        orphans_.push_back(job->theirs);
        job->theirs = nullptr;
        job->dropped = death == Death::power || context_.rng.percent(50); // if not yet with the disk
    }
    left_.assign(jobs_.begin(), jobs_.end());
    jobs_.clear();
}

void Port::drop_orphaned()
{
    for (const std::shared_ptr<Job>& job : left_) {
        job->dropped = true;
    }
    left_.clear();
}

bool Port::fail_one() noexcept
{
    if (orphans_.empty()) {
        return false;
    }
    snapstore::IoRequest* request = orphans_.front();
    orphans_.pop_front();
    request->status = snapstore::IoStatus::error;
    request->on_complete(*request);
    return true;
}

void Port::start(std::unique_ptr<ClientIo> io)
{
    ClientIo* raw = io.release();
    raw->request.context = raw;
    raw->request.on_complete = [](snapstore::IoRequest& request) noexcept {
        const std::unique_ptr<ClientIo> ended(static_cast<ClientIo*>(request.context));
        const bool ok = request.status == snapstore::IoStatus::ok;
        if (ended->read_done) {
            const std::vector<std::byte> data(request.buffer.begin(), request.buffer.end());
            ended->read_done(ok ? &data : nullptr);
        } else {
            ended->done(ok);
        }
    };
    submit(raw->request);
}

void Port::read(std::uint64_t offset, std::size_t bytes, ReadDone done)
{
    auto io = std::make_unique<ClientIo>();
    io->request.op = snapstore::IoRequest::Op::read;
    io->request.offset = snapstore::Bytes{offset};
    io->buffer = aligned_buffer(bytes);
    io->request.buffer = {io->buffer.get(), bytes};
    io->read_done = std::move(done);
    start(std::move(io));
}

void Port::write(std::uint64_t offset, const std::vector<std::byte>& data, Done done)
{
    auto io = std::make_unique<ClientIo>();
    io->request.op = snapstore::IoRequest::Op::write;
    io->request.offset = snapstore::Bytes{offset};
    io->buffer = aligned_buffer(data.size());
    std::memcpy(io->buffer.get(), data.data(), data.size());
    io->request.buffer = {io->buffer.get(), data.size()};
    io->done = std::move(done);
    start(std::move(io));
}

void Port::flush(Done done)
{
    auto io = std::make_unique<ClientIo>();
    io->request.op = snapstore::IoRequest::Op::flush;
    io->done = std::move(done);
    start(std::move(io));
}

} // namespace sim

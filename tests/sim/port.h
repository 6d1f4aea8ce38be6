// SPDX-License-Identifier: GPL-2.0
// One owner's view of a simulated disk. The daemon and each client have their own port on each disk they
// use, so that their I/O can outlive them: when an owner is killed, what it had submitted is executed or
// not, but nobody hears of it. Buffers are copied, for the owner's memory goes with the owner.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "sim/context.h"
#include "sim/disk.h"
#include "snapstore/block_device.h"

namespace sim {

// How an owner ends: alone (what the disk was to do may still be done) or with the power.
enum class Death : std::uint8_t { process, power };

class Port : public snapstore::BlockDevice {
public:
    Port(Context& context, Disk& disk) : context_(context), disk_(disk) {}
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    ~Port() override { kill(Death::process); }

    snapstore::Bytes size() const noexcept override { return disk_.size(); }
    void submit(snapstore::IoRequest& request) noexcept override;

    // For clients: reads `bytes` at `offset` (both multiples of 4096), gives the data or null on an error.
    using ReadDone = std::function<void(const std::vector<std::byte>*)>;
    using Done = std::function<void(bool ok)>;
    void read(std::uint64_t offset, std::size_t bytes, ReadDone done);
    void write(std::uint64_t offset, const std::vector<std::byte>& data, Done done);
    void flush(Done done);

    // The owner is dead: its I/O ends without it. submit() afterwards only queues for fail_one().
    void kill(Death death);
    // The power goes after the owner did.
    void drop_orphaned();
    // A dead owner's requests end with an error, so that its coroutines unwind; false when none is left.
    bool fail_one() noexcept;
    // Requests of this port that the disk may still execute.
    std::size_t under_way() const noexcept { return *under_way_; }

private:
    struct Job;
    struct ClientIo;
    static void issue(Disk& disk, const std::shared_ptr<Job>& job);
    static void completed(snapstore::IoRequest& request) noexcept;
    void start(std::unique_ptr<ClientIo> io);

    Context& context_;
    Disk& disk_;
    bool dead_ = false;
    std::list<std::shared_ptr<Job>> jobs_;
    std::list<snapstore::IoRequest*> orphans_;
    std::vector<std::shared_ptr<Job>> left_; // a dead owner's jobs: executed or not
    std::shared_ptr<std::size_t> under_way_ = std::make_shared<std::size_t>(0);
};

} // namespace sim

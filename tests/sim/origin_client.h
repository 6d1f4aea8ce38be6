// SPDX-License-Identifier: GPL-2.0
// The origin's device with an application on top, by the rules of the kernel target: granted writes go
// straight to the disk, the others wait for a grant; grants are kept over the daemon's death (I2) and
// dropped with their epoch; HOLD stops writes and drains those under way before HELD is said.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "sim/client.h"
#include "sim/model.h"

namespace sim {

class OriginClient final : public Client {
public:
    OriginClient(Context& context, Listener& listener, Identity identity, Model& model, Disk& disk);

    std::uint64_t sectors() const noexcept { return sectors_; }
    // Another table: suspended, loaded and resumed. False if writes beyond the new end are not finished.
    bool set_sectors(std::uint64_t sectors);

    // Writes blocks (4 KiB), unless they overlap a write that is not finished: then nothing happens.
    void write(std::uint64_t first_block, std::uint64_t blocks, bool zeros);
    // Writes sectors that were read elsewhere, which keep their stamps. False if nothing happens, as above.
    bool write_back(std::uint64_t first_sector, std::span<const std::byte> sectors);
    void flush();
    // Drains, then says BYE (`farewell`) or just goes away, as a device removed while the daemon is out.
    void begin_leave(bool farewell);
    void die(Death death) final;

    bool idle() const noexcept { return writes_.empty() && flushes_ == 0 && port_.under_way() == 0; }
    bool leaving() const noexcept { return leaving_; }
    std::size_t io_under_way() const noexcept final { return port_.under_way(); }
    std::string state() const;

    // Planted bug: grants of an old epoch are kept.
    bool bug_keeps_grants = false;
    // Planted bug: HELD is said while writes are still under way.
    bool bug_held_early = false;

private:
    struct AppWrite {
        std::uint64_t first = 0; // sector
        std::uint64_t count = 0; // sectors, possibly fewer than the blocks hold, at the end of the device
        std::uint64_t blocks = 0;
        Stamp stamp = 0;
        std::vector<Stamp> stamps; // of each sector, if it has one of its own
        bool issued = false;
    };
    using Writes = std::list<AppWrite>;
    struct Range {
        std::uint64_t first = 0;
        std::uint32_t count = 0;
    };

    ddsnap_hello hello() final;
    void welcome(const ddsnap_welcome& welcome) final;
    void refused(const ddsnap_refused& refused) final;
    void message(const ddsnap_header& header, std::span<const std::byte> bytes) final;
    void session_lost() final;

    void grant(const ddsnap_grant& message);
    void grant_failed(const Range& range, std::uint32_t status);
    void resume(const ddsnap_epoch& message);
    void change_epoch(std::uint32_t epoch);

    bool add(AppWrite write);
    void tell_model(void (Content::*what)(std::uint64_t, std::uint64_t, Stamp), const AppWrite& write);
    void pump(); // issues what may be issued, asks for the rest
    bool covered(const AppWrite& write) const;
    void issue(Writes::iterator write);
    void written(Writes::iterator write, bool ok);
    void ask(const AppWrite& write);
    bool asked(std::uint64_t chunk) const;
    void drained();

    std::uint64_t chunk_of(std::uint64_t sector) const { return sector >> (chunk_shift_ - 9U); }

    Model& model_;
    Port port_;
    std::uint64_t sectors_; // of the device; the volume may have more
    Writes writes_;
    std::set<std::uint64_t> granted_;
    std::map<std::uint64_t, Range> requests_; // unanswered
    std::uint64_t next_request_ = 1;
    std::uint32_t chunk_shift_ = 12;
    std::uint32_t epoch_ = 0; // of the grants; 0 = never welcomed
    std::size_t in_flight_ = 0;
    std::size_t flushes_ = 0;
    bool all_granted_ = false; // no snapshot is live
    bool held_ = false;
    bool held_said_ = false;
    bool leaving_ = false;
    bool farewell_ = true;
    bool bye_said_ = false;
};

} // namespace sim

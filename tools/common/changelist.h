// SPDX-License-Identifier: GPL-2.0
// Change lists: files that say which chunks may differ between two snapshots (docs/changelist-format.md).
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/daemon.h"

namespace zumastor {

struct ChangelistHeader {
    struct End {
        std::uint64_t id = 0;
        std::string uuid;
        std::uint64_t sectors = 0; // length of the origin then
        bool operator==(const End&) const = default;
    };
    std::string volume; // UUID
    std::uint64_t chunk_bytes = 0;
    End from;
    End to;
    bool operator==(const ChangelistHeader&) const = default;
};

// Writes one, range by range, to a file that the caller opened. Throws what the system says.
class ChangelistWriter {
public:
    ChangelistWriter(std::FILE* file, std::string name, const ChangelistHeader& header);
    void add(const DeltaRange& range); // ascending, not adjacent to the one before
    void finish();                     // without it the list is incomplete, and known to be

    std::uint64_t ranges() const noexcept { return ranges_; }
    std::uint64_t chunks() const noexcept { return chunks_; }

private:
    void put(const std::string& line);

    std::FILE* file_;
    std::string name_; // for messages
    std::uint32_t crc_ = 0;
    std::uint64_t ranges_ = 0;
    std::uint64_t chunks_ = 0;
};

struct Changelist {
    ChangelistHeader header;
    std::vector<DeltaRange> ranges;
};
// Throws Exit::mismatch, naming `name` and the line, if the text is not a whole and undamaged change list.
Changelist parse_changelist(std::string_view text, const std::string& name);

// Asks the daemon for the delta and writes it to `path`, which appears only when it is complete and on disk.
// Returns the writer's counts.
struct ChangelistSize {
    std::uint64_t ranges = 0;
    std::uint64_t chunks = 0;
};
ChangelistSize write_changelist(Daemon& daemon, const SnapshotEntry& from, const SnapshotEntry& to,
                                const std::string& path);
// The same of a list in memory, whose ranges are as parse_changelist() gives them.
void write_changelist(const Changelist& list, const std::string& path);

} // namespace zumastor

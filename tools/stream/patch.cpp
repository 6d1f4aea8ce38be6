// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/patch.h"

#include <algorithm>
#include <cstring>

namespace zumastor::stream {
namespace {

std::size_t blocks_in(std::size_t bytes) noexcept { return (bytes + kBlockBytes - 1) / kBlockBytes; }

std::size_t map_bytes(std::size_t blocks) noexcept { return (blocks + 7) / 8; }

bool is_set(Bytes map, std::size_t block) noexcept
{
    return (std::to_integer<unsigned>(map[block / 8]) >> (block % 8) & 1u) != 0;
}

// The last block of a volume may be partial.
Bytes block_of(Bytes content, std::size_t block) noexcept
{
    const std::size_t at = block * kBlockBytes;
    return content.subspan(at, std::min(kBlockBytes, content.size() - at));
}

} // namespace

std::optional<std::size_t> make_patch(Bytes plain, Bytes base, std::span<std::byte> out)
{
    const std::size_t blocks = blocks_in(plain.size());
    const std::size_t map_size = map_bytes(blocks);
    const std::size_t most = plain.size() - plain.size() / kLeastSaving;
    std::vector<std::byte> map(map_size);
    std::size_t length = 0;
    for (std::size_t block = 0; block < blocks; ++block) {
        const Bytes now = block_of(plain, block);
        if (std::memcmp(now.data(), block_of(base, block).data(), now.size()) == 0) {
            continue;
        }
        if (length + now.size() + map_size > most) {
            return std::nullopt;
        }
        std::memcpy(&out[length], now.data(), now.size());
        length += now.size();
        map[block / 8] |= static_cast<std::byte>(1u << (block % 8));
    }
    if (length + map_size > most) {
        return std::nullopt;
    }
    std::copy(map.begin(), map.end(), out.begin() + static_cast<std::ptrdiff_t>(length));
    return length + map_size;
}

tl::expected<std::vector<PatchedRun>, std::string> read_patch(const Header& header, const Record& record,
                                                              Bytes patch)
{
    const auto refuse = [] { return tl::unexpected(std::string("a patch does not fit its chunks")); };
    const std::size_t size = plain_bytes(header, record.first, record.count);
    const std::size_t blocks = blocks_in(size);
    if (patch.size() < map_bytes(blocks)) {
        return refuse();
    }
    const Bytes map = patch.last(map_bytes(blocks));
    Bytes left = patch.first(patch.size() - map.size());
    const std::uint64_t begin = record.first << header.chunk_shift;
    std::vector<PatchedRun> runs;
    for (std::size_t block = 0; block < map.size() * 8; ++block) {
        if (!is_set(map, block)) {
            continue;
        }
        const std::size_t at = block * kBlockBytes;
        const std::size_t length = block < blocks ? std::min(kBlockBytes, size - at) : kBlockBytes;
        if (block >= blocks || left.size() < length) {
            return refuse();
        }
        if (!runs.empty() && runs.back().offset + runs.back().content.size() == begin + at) {
            runs.back().content = Bytes(runs.back().content.data(), runs.back().content.size() + length);
        } else {
            runs.push_back({begin + at, left.first(length)});
        }
        left = left.subspan(length);
    }
    if (!left.empty()) {
        return refuse();
    }
    return runs;
}

} // namespace zumastor::stream

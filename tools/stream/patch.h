// SPDX-License-Identifier: GPL-2.0
// Chunks of which only a part has changed: the blocks that differ from the base, and which they are.
// docs/stream-format.md has the bytes: first the blocks, then a bit for each block of the chunks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "tools/stream/stream_format.h"

namespace zumastor::stream {

// A patch that saves less than this part of the content is not worth the writing in pieces.
constexpr std::size_t kLeastSaving = 8; // an eighth

// Into `out`, which has as many bytes as `plain`, what of `plain` differs from `base`; both begin at a block
// and have the same length. The patch's length; empty if it saves too little.
std::optional<std::size_t> make_patch(Bytes plain, Bytes base, std::span<std::byte> out);

// Adjacent blocks that a patch replaces.
struct PatchedRun {
    std::uint64_t offset = 0; // bytes, in the volume; a multiple of kBlockBytes
    Bytes content;            // in the patch, at a multiple of kBlockBytes from its beginning
};

// The runs of a record's expanded patch, in order. The error has no offset: the caller knows it.
tl::expected<std::vector<PatchedRun>, std::string> read_patch(const Header& header, const Record& record,
                                                              Bytes patch);

} // namespace zumastor::stream

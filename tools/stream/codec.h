// SPDX-License-Identifier: GPL-2.0
// Content to records and back: zero chunks found, patches made, zstd. Each thread has a coder of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/stream/stream_format.h"

namespace zumastor::stream {

// zstd's level; none: the chunks go as they are.
struct Compression {
    std::optional<int> zstd = 3;

    // "none", "zstd", "zstd:LEVEL"; empty if it is none of these.
    static std::optional<Compression> parse(const std::string& text);
};

// A record and what follows it. For type zero there is no payload.
struct Piece {
    Record record; // without sequence, which the writer counts
    Bytes payload;
    std::shared_ptr<const void> memory; // that the payload is in; none: the caller's
};

class Encoder {
public:
    explicit Encoder(Compression compression);
    ~Encoder();
    Encoder(Encoder&&) noexcept;
    Encoder& operator=(Encoder&&) noexcept;

    // Whether compressing is worth its while is found out anew. What comes out of a batch does not depend on
    // others, and so not on which thread had which: a dry run counts exactly.
    void begin_batch() noexcept;

    // The content of chunks [first, …), at most kMaxDataBytes, as pieces: runs of zero chunks, patches to
    // `base` (empty: there is none) where they are smaller, and data; compressed where that makes it smaller.
    // What is not compressed stays where it is, in `memory`, which the pieces hold.
    std::vector<Piece> encode(const Header& header, std::uint64_t first, Bytes plain,
                              const std::shared_ptr<const void>& memory = nullptr, Bytes base = {});

private:
    Piece encode_run(const Header& header, std::uint64_t first, Bytes plain, Bytes base,
                     const std::shared_ptr<const void>& memory);
    void pack(Piece& piece, Bytes content, const std::shared_ptr<const void>& memory);
    bool compress(Piece& piece, Bytes content);
    void make_room(std::size_t bytes);

    struct Context;
    std::unique_ptr<Context> context_;
};

class Decoder {
public:
    Decoder();
    ~Decoder();
    Decoder(Decoder&&) noexcept;
    Decoder& operator=(Decoder&&) noexcept;

    // The content of a data record, or the patch of a patch record, whose fields StreamReader has checked:
    // where it is if that is aligned for O_DIRECT, else in `buffer`, which has room for the chunks. The error
    // has no offset: the caller knows it.
    tl::expected<Bytes, std::string> decode(const Header& header, const Piece& piece,
                                            std::span<std::byte> buffer);

private:
    struct Context;
    std::unique_ptr<Context> context_;
};

bool all_zero(Bytes bytes) noexcept;

} // namespace zumastor::stream

// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/codec.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <zstd.h>

#include "tools/stream/buffer_pool.h"
#include "tools/stream/patch.h"

namespace zumastor::stream {

std::optional<Compression> Compression::parse(const std::string& text)
{
    if (text == "none") {
        return Compression{std::nullopt};
    }
    if (text == "zstd") {
        return Compression{};
    }
    constexpr std::string_view kPrefix = "zstd:";
    if (!text.starts_with(kPrefix)) {
        return std::nullopt;
    }
    int level = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + kPrefix.size(), end, level);
    if (error != std::errc{} || stop != end || level < ZSTD_minCLevel() || level > ZSTD_maxCLevel()) {
        return std::nullopt;
    }
    return Compression{level};
}

bool all_zero(Bytes bytes) noexcept
{
    return bytes.empty() ||
           (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// ---- Encoder ----------------------------------------------------------------------------------

namespace {

// What was compressed before, or is encrypted, comes in many pieces: when some in a row did not become
// smaller, most of the next ones are not tried. To find out costs more than all the rest of sending them.
class Worthwhile {
public:
    // Whether the next piece is to be tried; then saw() is told what came of it.
    bool next() noexcept
    {
        if (in_vain_ < kPatience || left_out_ == kLeftOut) {
            left_out_ = 0;
            return true;
        }
        ++left_out_;
        return false;
    }
    void saw(bool smaller) noexcept { in_vain_ = smaller ? 0 : in_vain_ + 1; }

private:
    static constexpr unsigned kPatience = 3;
    static constexpr unsigned kLeftOut = 7; // between two that are tried
    unsigned in_vain_ = 0;                  // in a row
    unsigned left_out_ = 0;
};

} // namespace

struct Encoder::Context {
    Compression compression;
    std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> zstd{nullptr, &ZSTD_freeCCtx};
    Worthwhile worthwhile;
    // Frames and patches lie one behind the other in a buffer of the pool: the present one, and what is left
    // of it.
    BufferPool pool{kMaxDataBytes};
    std::shared_ptr<AlignedMemory> memory;
    std::span<std::byte> room;
};

Encoder::Encoder(Compression compression) : context_(std::make_unique<Context>())
{
    context_->compression = compression;
    if (compression.zstd) {
        context_->zstd.reset(ZSTD_createCCtx());
        if (!context_->zstd) {
            throw std::bad_alloc();
        }
    }
}
Encoder::~Encoder() = default;
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;

void Encoder::begin_batch() noexcept { context_->worthwhile = {}; }

void Encoder::make_room(std::size_t bytes)
{
    Context& c = *context_;
    if (c.room.size() < bytes) {
        c.memory = c.pool.get();
        c.room = c.memory->bytes();
    }
}

// `content` is in `memory` and becomes the payload, compressed if that makes it smaller.
void Encoder::pack(Piece& piece, Bytes content, const std::shared_ptr<const void>& memory)
{
    piece.record.hash = hash_of(content);
    Worthwhile& worthwhile = context_->worthwhile;
    const bool tried = context_->zstd && worthwhile.next();
    const bool smaller = tried && compress(piece, content);
    if (tried) {
        worthwhile.saw(smaller);
    }
    if (!smaller) {
        piece.payload = content;
        piece.memory = memory;
    }
    piece.record.payload = static_cast<std::uint32_t>(piece.payload.size());
}

// False if that does not make it smaller.
bool Encoder::compress(Piece& piece, Bytes content)
{
    Context& c = *context_;
    make_room(content.size());
    // No room for anything that is not smaller: zstd gives up early then.
    const std::size_t size = ZSTD_compressCCtx(c.zstd.get(), c.room.data(), content.size() - 1,
                                               content.data(), content.size(), *c.compression.zstd);
    if (ZSTD_isError(size) != 0) {
        return false;
    }
    piece.record.flags = Record::kZstd;
    piece.payload = c.room.first(size);
    piece.memory = c.memory;
    c.room = c.room.subspan(size);
    return true;
}

Piece Encoder::encode_run(const Header& header, std::uint64_t first, Bytes plain, Bytes base,
                          const std::shared_ptr<const void>& memory)
{
    Piece piece;
    piece.record.first = first;
    piece.record.count =
        static_cast<std::uint32_t>((plain.size() + header.chunk_bytes() - 1) >> header.chunk_shift);
    if (!base.empty()) {
        Context& c = *context_;
        make_room(plain.size());
        if (const auto length = make_patch(plain, base, c.room)) {
            const auto patch = c.room.first(*length);
            const auto holder = c.memory; // compress() may go on to another one
            c.room = c.room.subspan(*length);
            piece.record.type = RecordType::patch;
            pack(piece, patch, holder);
            return piece;
        }
    }
    piece.record.type = RecordType::data;
    pack(piece, plain, memory);
    return piece;
}

std::vector<Piece> Encoder::encode(const Header& header, std::uint64_t first, Bytes plain,
                                   const std::shared_ptr<const void>& memory, Bytes base)
{
    std::vector<Piece> pieces;
    const std::size_t chunk = header.chunk_bytes();
    std::size_t begin = 0;
    while (begin < plain.size()) {
        const auto zero_at = [&](std::size_t at) {
            return all_zero(plain.subspan(at, std::min(chunk, plain.size() - at)));
        };
        const bool zero = zero_at(begin);
        std::size_t end = begin;
        do {
            end = std::min(end + chunk, plain.size());
        } while (end < plain.size() && zero_at(end) == zero);
        const std::uint64_t at = first + begin / chunk;
        if (zero) {
            Piece piece;
            piece.record.type = RecordType::zero;
            piece.record.first = at;
            piece.record.count = static_cast<std::uint32_t>((end - begin + chunk - 1) / chunk);
            pieces.push_back(std::move(piece));
        } else {
            pieces.push_back(encode_run(header, at, plain.subspan(begin, end - begin),
                                        base.empty() ? base : base.subspan(begin, end - begin), memory));
        }
        begin = end;
    }
    return pieces;
}

// ---- Decoder ----------------------------------------------------------------------------------

struct Decoder::Context {
    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> zstd{ZSTD_createDCtx(), &ZSTD_freeDCtx};
};

Decoder::Decoder() : context_(std::make_unique<Context>())
{
    if (!context_->zstd) {
        throw std::bad_alloc();
    }
}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

tl::expected<Bytes, std::string> Decoder::decode(const Header& header, const Piece& piece,
                                                 std::span<std::byte> buffer)
{
    // A patch says only by itself how long it is.
    const bool patch = piece.record.type == RecordType::patch;
    const std::size_t size = plain_bytes(header, piece.record.first, piece.record.count);
    std::span<std::byte> room = buffer.first(patch ? buffer.size() : size);
    Bytes plain;
    if ((piece.record.flags & Record::kZstd) != 0) {
        const std::size_t got = ZSTD_decompressDCtx(context_->zstd.get(), room.data(), room.size(),
                                                    piece.payload.data(), piece.payload.size());
        if (ZSTD_isError(got) != 0 || (!patch && got != size)) {
            return tl::unexpected(std::string("a record cannot be decompressed"));
        }
        plain = room.first(got);
    } else if (piece.payload.size() > room.size() || (!patch && piece.payload.size() != size)) {
        return tl::unexpected(std::string("a record has the wrong length"));
    } else if (AlignedMemory::is_aligned(piece.payload.data())) {
        plain = piece.payload;
    } else {
        room = room.first(piece.payload.size());
        std::memcpy(room.data(), piece.payload.data(), room.size());
        plain = room;
    }
    if (hash_of(plain) != piece.record.hash) {
        return tl::unexpected(std::string("a record's content does not match its checksum"));
    }
    return plain;
}

} // namespace zumastor::stream

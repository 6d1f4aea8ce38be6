// SPDX-License-Identifier: GPL-2.0
#include "tools/replication/codec.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include <zstd.h>

#include "tools/replication/buffer_pool.h"

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

struct Encoder::Context {
    Compression compression;
    std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> zstd{nullptr, &ZSTD_freeCCtx};
    // Frames lie one behind the other in a buffer of the pool: the present one, and what is left of it.
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

Piece Encoder::encode_data(const Header& header, std::uint64_t first, Bytes plain)
{
    Piece piece;
    piece.record.type = RecordType::data;
    piece.record.first = first;
    piece.record.count =
        static_cast<std::uint32_t>((plain.size() + header.chunk_bytes() - 1) >> header.chunk_shift);
    piece.record.hash = hash_of(plain);
    if (!context_->zstd || !compress(piece, plain)) {
        piece.payload = plain;
    }
    piece.record.payload = static_cast<std::uint32_t>(piece.payload.size());
    return piece;
}

// False if that does not make it smaller.
bool Encoder::compress(Piece& piece, Bytes plain)
{
    Context& c = *context_;
    if (c.room.size() < plain.size()) {
        c.memory = c.pool.get();
        c.room = c.memory->bytes();
    }
    // No room for anything that is not smaller: zstd gives up early then.
    const std::size_t size = ZSTD_compressCCtx(c.zstd.get(), c.room.data(), plain.size() - 1, plain.data(),
                                               plain.size(), *c.compression.zstd);
    if (ZSTD_isError(size) != 0) {
        return false;
    }
    piece.record.flags = Record::kZstd;
    piece.payload = c.room.first(size);
    piece.memory = c.memory;
    c.room = c.room.subspan(size);
    return true;
}

std::vector<Piece> Encoder::encode(const Header& header, std::uint64_t first, Bytes plain,
                                   const std::shared_ptr<const void>& memory)
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
            pieces.push_back(encode_data(header, at, plain.subspan(begin, end - begin)));
            if (!pieces.back().memory) {
                pieces.back().memory = memory;
            }
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
    const std::span<std::byte> room =
        buffer.first(plain_bytes(header, piece.record.first, piece.record.count));
    Bytes plain = room;
    if ((piece.record.flags & Record::kZstd) != 0) {
        const std::size_t size = ZSTD_decompressDCtx(context_->zstd.get(), room.data(), room.size(),
                                                     piece.payload.data(), piece.payload.size());
        if (ZSTD_isError(size) != 0 || size != room.size()) {
            return tl::unexpected(std::string("a record cannot be decompressed"));
        }
    } else if (piece.payload.size() != room.size()) {
        return tl::unexpected(std::string("a record has the wrong length"));
    } else if (AlignedMemory::is_aligned(piece.payload.data())) {
        plain = piece.payload;
    } else {
        std::memcpy(room.data(), piece.payload.data(), room.size());
    }
    if (hash_of(plain) != piece.record.hash) {
        return tl::unexpected(std::string("a record's content does not match its checksum"));
    }
    return plain;
}

} // namespace zumastor::stream

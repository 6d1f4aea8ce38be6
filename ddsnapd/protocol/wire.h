// SPDX-License-Identifier: GPL-2.0
// The messages of kernel/ddsnap-protocol.h as typed values: the one place in userspace where they are
// encoded and decoded, for the daemon and for its clients.
//
// decode() checks everything that can be checked without knowing the session: exact length, ranges of
// enumerations, reserved fields. It never reads beyond the span it is given. A failure is a string literal
// for the log.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <tl/expected.hpp>

#include "kernel/ddsnap-protocol.h"
#include "snapstore/store.h"
#include "snapstore/types.h"

namespace ddsnap::wire {

using Bytes = std::span<const std::byte>;

template <class T>
using Decoded = tl::expected<T, const char*>;

enum class Type : std::uint16_t {
    hello = DDSNAP_HELLO,
    welcome = DDSNAP_WELCOME,
    refused = DDSNAP_REFUSED,
    write = DDSNAP_WRITE,
    grant = DDSNAP_GRANT,
    snap_read = DDSNAP_SNAP_READ,
    snap_write = DDSNAP_SNAP_WRITE,
    extents = DDSNAP_EXTENTS,
    unlock = DDSNAP_UNLOCK,
    hold = DDSNAP_HOLD,
    held = DDSNAP_HELD,
    resume = DDSNAP_RESUME,
    state = DDSNAP_STATE,
    invalid = DDSNAP_INVALID,
    invalid_ack = DDSNAP_INVALID_ACK,
    bye = DDSNAP_BYE,
    bye_ack = DDSNAP_BYE_ACK,
};

enum class Status : std::uint32_t {
    ok = DDSNAP_OK,
    version = DDSNAP_ERR_VERSION,
    volume = DDSNAP_ERR_VOLUME,
    no_snapshot = DDSNAP_ERR_NO_SNAPSHOT,
    squashed = DDSNAP_ERR_SQUASHED,
    busy = DDSNAP_ERR_BUSY,
    size = DDSNAP_ERR_SIZE,
    range = DDSNAP_ERR_RANGE,
    io = DDSNAP_ERR_IO,
    no_space = DDSNAP_ERR_NO_SPACE,
    corrupt = DDSNAP_ERR_CORRUPT,
    stopping = DDSNAP_ERR_STOPPING,
    invalid = DDSNAP_ERR_INVALID,
};

enum class Role : std::uint32_t { origin = DDSNAP_ROLE_ORIGIN, snapshot = DDSNAP_ROLE_SNAPSHOT };
enum class Kind : std::uint32_t { kernel = DDSNAP_CLIENT_KERNEL, process = DDSNAP_CLIENT_PROCESS };

std::string_view name_of(Type type) noexcept;
std::string_view name_of(Status status) noexcept;

// The status that tells a client of an engine's error.
Status status_of(snapstore::Errc code) noexcept;

struct Header {
    std::uint32_t length = 0;
    Type type{};
    std::uint64_t id = 0;

    // Length between 16 and DDSNAP_MAX_MESSAGE, known type, reserved field 0.
    static Decoded<Header> decode(Bytes message) noexcept;
};

struct Hello {
    std::uint64_t id = 0;
    std::uint16_t version = DDSNAP_VERSION;
    std::uint16_t version_min = DDSNAP_VERSION_MIN;
    std::uint64_t features = DDSNAP_FEATURES;
    Role role = Role::origin;
    bool read_only = false;
    snapstore::SnapshotId snapshot;
    snapstore::Sectors sectors;
    snapstore::Uuid volume{};
    snapstore::Uuid client{};
    Kind kind = Kind::process;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    snapstore::Epoch epoch;
    snapstore::Uuid snapshot_uuid{}; // of the one that the client had open before; zeros: any
    std::array<char, DDSNAP_NAME_LEN> name{};

    std::string_view name_view() const noexcept;
    void set_name(std::string_view text) noexcept; // cut to what fits
    // A wrong magic or size fails; a foreign version does not: the receiver refuses it in words.
    static Decoded<Hello> decode(Bytes message) noexcept;
};

struct Welcome {
    std::uint64_t id = 0;
    std::uint16_t version = DDSNAP_VERSION;
    std::uint16_t chunk_shift = 0;
    std::uint32_t flags = 0; // DDSNAP_FLAG_*
    std::uint64_t features = 0;
    snapstore::Epoch epoch;
    std::uint32_t credits = 0;
    std::uint32_t max_range = 0;
    snapstore::Sectors sectors;
    snapstore::Uuid volume{};
    std::uint64_t session = 0;
    snapstore::Uuid snapshot_uuid{}; // zeros: the origin, or a daemon that does not say

    static Decoded<Welcome> decode(Bytes message) noexcept;
};

struct Refused {
    std::uint64_t id = 0;
    Status reason = Status::invalid;
    std::array<char, DDSNAP_TEXT_LEN> text{};

    std::string_view text_view() const noexcept;
    void set_text(std::string_view words) noexcept;
    static Decoded<Refused> decode(Bytes message) noexcept;
};

// WRITE, SNAP_READ, SNAP_WRITE.
struct Request {
    Type type = Type::write;
    std::uint64_t id = 0;
    snapstore::ChunkRange range; // count is 1 … DDSNAP_MAX_RANGE, first + count does not overflow
    snapstore::Epoch epoch;

    static Decoded<Request> decode(Bytes message) noexcept;
};

struct Grant {
    std::uint64_t id = 0;
    snapstore::ChunkRange range;
    snapstore::Epoch epoch;
    Status status = Status::ok;

    static Decoded<Grant> decode(Bytes message) noexcept;
};

// HOLD, HELD, RESUME, STATE.
struct EpochMessage {
    Type type = Type::hold;
    std::uint64_t id = 0;
    snapstore::Epoch epoch;
    std::uint32_t flags = 0;

    static Decoded<EpochMessage> decode(Bytes message) noexcept;
};

struct Extents {
    std::uint64_t id = 0;
    Status status = Status::ok;
    std::uint32_t count = 0;
    std::array<snapstore::Extent, DDSNAP_MAX_EXTENTS> extent{};

    // Checks order and gaplessness too.
    static Decoded<Extents> decode(Bytes message) noexcept;
};

// UNLOCK, INVALID, INVALID_ACK, BYE, BYE_ACK.
struct Bare {
    Type type = Type::bye;
    std::uint64_t id = 0;

    static Decoded<Bare> decode(Bytes message) noexcept;
};

template <class Disk>
using Encoded = std::array<std::byte, sizeof(Disk)>;

Encoded<ddsnap_hello> encode(const Hello& m) noexcept;
Encoded<ddsnap_welcome> encode(const Welcome& m) noexcept;
Encoded<ddsnap_refused> encode(const Refused& m) noexcept;
Encoded<ddsnap_request> encode(const Request& m) noexcept;
Encoded<ddsnap_grant> encode(const Grant& m) noexcept;
Encoded<ddsnap_epoch> encode(const EpochMessage& m) noexcept;
Encoded<ddsnap_header> encode(const Bare& m) noexcept;

using ExtentsBuffer = std::array<std::byte, DDSNAP_MAX_MESSAGE>;
// The bytes within `buffer` that are to be sent. At most DDSNAP_MAX_EXTENTS extents.
Bytes encode_extents(std::uint64_t id, Status status, std::span<const snapstore::Extent> extents,
                     ExtentsBuffer& buffer) noexcept;

// Cuts a stream of bytes into messages. Fixed memory; allocates nothing.
class MessageReader {
public:
    // `input` must stay valid until next() has returned nothing.
    void feed(Bytes input) noexcept { input_ = input; }
    // The next whole message (valid until the next call), or nothing: all input is consumed, or error().
    std::optional<Bytes> next() noexcept;
    // Why the stream is broken; null if it is not. For good: there is no way to find the next message.
    const char* error() const noexcept { return error_; }

private:
    bool fill(std::size_t wanted) noexcept;

    Bytes input_;
    std::array<std::byte, DDSNAP_MAX_MESSAGE> partial_{};
    std::size_t held_ = 0;   // bytes of an incomplete message in partial_
    bool delivered_ = false; // partial_ holds the message returned last
    const char* error_ = nullptr;
};

} // namespace ddsnap::wire

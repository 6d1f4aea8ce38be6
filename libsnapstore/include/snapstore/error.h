// SPDX-License-Identifier: GPL-2.0
// Errors are values: every operation of the engine that can fail returns a Result. No exception is
// thrown on the I/O path.
#pragma once

#include <cstdint>

#include <tl/expected.hpp>

#include "snapstore/types.h"

namespace snapstore {

enum class Errc : std::uint8_t {
    io_error = 1, // a device reported a failure; where = byte offset
    no_space,     // the store (or its metadata area) is full and nothing may be squashed
    not_found,    // no such snapshot or attachment
    exists,       // the snapshot number is taken
    busy,         // in use (use count, attached client)
    squashed,     // the snapshot was declared invalid; its content is gone
    corrupt,      // a checksum, magic or self-address did not match; where = byte offset
    not_a_store,  // the device holds no superblock of ours
    unsupported,  // unknown incompatible feature bits; where = the bits
    too_small,    // a device is too small
    mismatch,     // devices that do not belong together (UUID, size)
    invalid,      // an argument is out of range
    stopping,     // the store is closing
    failed,       // an earlier I/O error has put the store out of service
    other_origin, // the origin is not the one that the store is of
};

// A failure with its place. `what` is a string literal, never freed.
struct Error {
    Errc code{};
    const char* what = "";
    std::uint64_t where = 0;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Errc code, const char* what, std::uint64_t where = 0)
{
    return tl::unexpected<Error>(Error{code, what, where});
}
inline tl::unexpected<Error> fail(Errc code, const char* what, Bytes where)
{
    return fail(code, what, where.value);
}

} // namespace snapstore

// SPDX-License-Identifier: GPL-2.0
// How operations of the control socket fail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

#include "snapstore/store.h"

namespace ddsnap {

// A failure of a control operation: docs/control.md's code and a sentence.
struct ServiceError {
    enum class Code : std::uint8_t {
        not_found,
        exists,
        busy,
        squashed,
        invalid,
        no_space,
        io_error,
        corrupt,
        failed,
        stopping,
        timeout,
        detached,
        unsupported,
    };
    Code code = Code::failed;
    std::string message;
};

std::string_view name_of(ServiceError::Code code) noexcept;
ServiceError to_service_error(const snapstore::Error& error);

template <class T>
using ServiceResult = tl::expected<T, ServiceError>;

// What the store has answered, with its error as one of ours.
template <class T>
ServiceResult<T> converted(snapstore::Result<T> result)
{
    if (!result) {
        return tl::unexpected(to_service_error(result.error()));
    }
    return ServiceResult<T>(std::move(result).value());
}
ServiceResult<void> converted(const snapstore::Result<void>& result);

ServiceResult<snapstore::SnapshotInfo> find_snapshot(const snapstore::Store& store, snapstore::SnapshotId id);

} // namespace ddsnap

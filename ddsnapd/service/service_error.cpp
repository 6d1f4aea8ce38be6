// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/service_error.h"

#include <array>

#include <fmt/format.h>

#include "ddsnapd/protocol/control_words.h"

namespace ddsnap {

using Code = ServiceError::Code;

std::string_view name_of(ServiceError::Code code) noexcept
{
    namespace codes = control::codes;
    static constexpr std::array kNames{codes::not_found,  codes::exists,   codes::busy,     codes::squashed,
                                       codes::invalid,    codes::no_space, codes::io_error, codes::corrupt,
                                       codes::failed,     codes::stopping, codes::timeout,  codes::detached,
                                       codes::unsupported};
    return kNames[static_cast<std::size_t>(code)];
}

ServiceError to_service_error(const snapstore::Error& error)
{
    using snapstore::Errc;
    const auto code = [&]() {
        switch (error.code) {
        case Errc::io_error:
            return Code::io_error;
        case Errc::no_space:
            return Code::no_space;
        case Errc::not_found:
            return Code::not_found;
        case Errc::exists:
            return Code::exists;
        case Errc::busy:
            return Code::busy;
        case Errc::squashed:
            return Code::squashed;
        case Errc::corrupt:
            return Code::corrupt;
        case Errc::unsupported:
            return Code::unsupported;
        case Errc::invalid:
        case Errc::too_small:
        case Errc::mismatch:
        case Errc::not_a_store:
        case Errc::other_origin:
            return Code::invalid;
        case Errc::stopping:
            return Code::stopping;
        case Errc::failed:
            return Code::failed;
        }
        return Code::failed;
    };
    const bool placed = error.code == Errc::io_error || error.code == Errc::corrupt ||
                        (error.code == Errc::failed && error.where != 0);
    return {code(),
            placed ? fmt::format("{} (at byte {})", error.what, error.where) : std::string(error.what)};
}

ServiceResult<void> converted(const snapstore::Result<void>& result)
{
    if (!result) {
        return tl::unexpected(to_service_error(result.error()));
    }
    return {};
}

ServiceResult<snapstore::SnapshotInfo> find_snapshot(const snapstore::Store& store, snapstore::SnapshotId id)
{
    if (auto info = store.snapshots().find(id)) {
        return std::move(*info);
    }
    return tl::unexpected(ServiceError{Code::not_found, fmt::format("there is no snapshot {}", id.value)});
}

} // namespace ddsnap

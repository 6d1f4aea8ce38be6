// SPDX-License-Identifier: GPL-2.0
// Texts of tests that are over the border (tools/common/border.h).
#pragma once

#include "tools/common/border.h"
#include "tools/common/host_name.h"

namespace zumastor::literals {

inline VolumeName operator""_volume(const char* text, std::size_t size)
{
    return VolumeName::need({text, size});
}
inline HostName operator""_host(const char* text, std::size_t size)
{
    return HostName::need({text, size}, "test");
}
inline SnapshotTag operator""_tag(const char* text, std::size_t size)
{
    return SnapshotTag::need({text, size});
}
inline UuidText operator""_uuid(const char* text, std::size_t size) { return UuidText::need({text, size}); }
inline SnapshotName operator""_name(const char* text, std::size_t size)
{
    return SnapshotName::from({text, size}).value();
}

} // namespace zumastor::literals

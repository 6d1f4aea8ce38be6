// SPDX-License-Identifier: GPL-2.0
#include "tools/common/border.h"

#include <algorithm>
#include <array>

#include "snapstore/texts.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

using snapstore::is_letter_or_digit;

// What device-mapper allows, but for '@', which separates a snapshot's number.
constexpr std::string_view kVolumeMarks = "#+-.:=_";
constexpr std::size_t kMaxVolume = 64; // socket paths have 107 bytes
// Names that have another meaning in /run/zumastor or /dev/mapper.
constexpr std::array<std::string_view, 3> kReserved{"mount", "snapshot", "control"};

bool is_letter(char c) { return is_letter_or_digit(static_cast<unsigned char>(c)); }

bool made_of(std::string_view text, std::string_view marks)
{
    return std::all_of(text.begin(), text.end(),
                       [&](char c) { return is_letter(c) || marks.find(c) != std::string_view::npos; });
}

bool is_reserved(std::string_view name)
{
    return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

} // namespace

std::optional<VolumeName> VolumeName::from(std::string_view text)
{
    if (text.empty() || text.size() > kMaxVolume || !is_letter(text.front()) ||
        !made_of(text, kVolumeMarks) || is_reserved(text)) {
        return std::nullopt;
    }
    return VolumeName(std::string(text));
}

VolumeName VolumeName::need(std::string_view text)
{
    if (auto name = from(text)) {
        return std::move(*name);
    }
    const std::string what = "'" + shown(text, kMaxVolume + 16) + "' cannot be a volume's name";
    if (is_reserved(text)) {
        throw Failure(Exit::usage, what + ": it is reserved", "choose another name");
    }
    throw Failure(Exit::usage, what, "use up to 64 letters, digits and #+-.:=_, a letter or digit first");
}

std::optional<SnapshotName> SnapshotName::from(std::string_view text)
{
    return snapstore::is_snapshot_name(text) ? std::optional(SnapshotName(std::string(text))) : std::nullopt;
}

std::optional<SnapshotTag> SnapshotTag::from(std::string_view text)
{
    return snapstore::is_snapshot_tag(text) ? std::optional(SnapshotTag(std::string(text))) : std::nullopt;
}

SnapshotTag SnapshotTag::need(std::string_view text)
{
    if (auto tag = from(text)) {
        return std::move(*tag);
    }
    throw Failure(Exit::usage, "'" + shown(text, 64) + "' cannot be the kinds of a snapshot",
                  "each is up to 24 letters, digits, - and _, a letter or digit first; all have " +
                      std::to_string(snapstore::SnapshotInfo::kMaxTag) + " bytes, commas included");
}

std::vector<std::string> SnapshotTag::kinds() const { return split(str(), ','); }

std::optional<UuidText> UuidText::from(std::string_view text)
{
    constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    constexpr std::string_view kDigits = "0123456789abcdef";
    const bool good =
        text.empty() || (text.size() == kForm.size() &&
                         std::equal(text.begin(), text.end(), kForm.begin(), [&](char c, char form) {
                             return form == 'x' ? kDigits.find(c) != std::string_view::npos : c == form;
                         }));
    return good ? std::optional(UuidText(std::string(text))) : std::nullopt;
}

UuidText UuidText::need(std::string_view text)
{
    if (auto uuid = from(text)) {
        return std::move(*uuid);
    }
    throw Failure(Exit::failed, "'" + shown(text, 64) + "' is not a UUID");
}

std::optional<Exit> exit_of_peer(std::int64_t code) noexcept
{
    constexpr std::int64_t kLast = 255;
    if (code <= 0 || code > kLast) {
        return std::nullopt;
    }
    return code <= static_cast<int>(Exit::missing) ? static_cast<Exit>(code) : Exit::failed;
}

} // namespace zumastor

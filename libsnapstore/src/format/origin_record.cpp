// SPDX-License-Identifier: GPL-2.0
#include "format/origin_record.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace snapstore {

namespace {

constexpr std::string_view kFilesystem = "fs=";

// Takes the first word away.
std::string_view next_word(std::string_view& text) noexcept
{
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    return word;
}

// The word that begins with "kind=".
std::optional<std::string_view> find_kind(std::string_view text, std::string_view kind) noexcept
{
    for (auto word = next_word(text); !word.empty(); word = next_word(text)) {
        if (word.substr(0, kind.size()) == kind) {
            return word;
        }
    }
    return std::nullopt;
}

} // namespace

std::string_view OriginRecord::identity_text() const noexcept
{
    return {identity.data(), ::strnlen(identity.data(), identity.size())};
}

void OriginRecord::set_identity(std::string_view text) noexcept
{
    if (text.size() >= identity.size()) {
        text = text.substr(0, identity.size());
        const std::size_t end = text.rfind(' ');
        text = text.substr(0, end == std::string_view::npos ? 0 : end);
    }
    identity.fill('\0');
    std::copy(text.begin(), text.end(), identity.begin());
}

std::size_t OriginRecord::count() const noexcept
{
    return static_cast<std::size_t>(
        std::count_if(samples.begin(), samples.end(), [](const OriginSample& s) { return s.epoch != 0; }));
}

Likeness compare_identities(std::string_view before, std::string_view now) noexcept
{
    Likeness device = Likeness::unknown;
    Likeness filesystem = Likeness::unknown;
    for (auto word = next_word(before); !word.empty(); word = next_word(before)) {
        const std::string_view kind = word.substr(0, word.find('=') + 1);
        const auto other = find_kind(now, kind);
        if (kind.empty() || !other) {
            continue;
        }
        Likeness& which = kind == kFilesystem ? filesystem : device;
        if (*other != word) {
            which = Likeness::other;
        } else if (which == Likeness::unknown) {
            which = Likeness::same;
        }
    }
    return device == Likeness::unknown ? filesystem : device;
}

} // namespace snapstore

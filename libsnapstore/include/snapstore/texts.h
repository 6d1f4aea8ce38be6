// SPDX-License-Identifier: GPL-2.0
// What a snapshot may be called, and the kinds of its rotation: for whoever lets such a text in. It comes
// from other hosts, and goes to file names, shells and terminals. (The engine keeps any bytes.)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "snapstore/store.h"

namespace snapstore {

// The character that `text` begins with. No bytes: it begins with none (no UTF-8, or not its shortest form).
struct Utf8 {
    std::uint32_t character = 0;
    std::size_t bytes = 0;
};

inline Utf8 first_character(std::string_view text) noexcept
{
    const auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
    };
    if (text.empty()) {
        return {};
    }
    const std::uint32_t head = byte(0);
    if (head < 0x80) {
        return {head, 1};
    }
    const std::size_t length = head >= 0xf0 && head < 0xf5   ? 4
                               : head >= 0xe0 && head < 0xf0 ? 3
                               : head >= 0xc2 && head < 0xe0 ? 2
                                                             : 0;
    if (length == 0 || text.size() < length) {
        return {};
    }
    std::uint32_t character = head & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return {};
        }
        character = character << 6 | (byte(i) & 0x3f);
    }
    constexpr std::uint32_t kLeast[]{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = character >= 0xd800 && character < 0xe000;
    return character < kLeast[length] || character > 0x10ffff || surrogate ? Utf8{} : Utf8{character, length};
}

// One that a terminal acts on or that changes how others are shown: control characters, line and paragraph
// separators, marks of direction.
constexpr bool is_control(std::uint32_t c) noexcept
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

constexpr bool is_letter_or_digit(std::uint32_t c) noexcept
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// A name: a letter or digit of any script, then also blanks and # % + , - . : = @ _ ( ). Empty: it has none.
inline bool is_snapshot_name(std::string_view text) noexcept
{
    constexpr std::string_view kMarks = " #%+,-.:=@_()";
    if (text.size() > SnapshotInfo::kMaxName || (!text.empty() && text.back() == ' ')) {
        return false;
    }
    for (bool first = true; !text.empty(); first = false) {
        const Utf8 next = first_character(text);
        const bool mark = next.bytes == 1 && kMarks.find(text.front()) != std::string_view::npos;
        const bool letter = is_letter_or_digit(next.character) || next.bytes > 1;
        if (next.bytes == 0 || is_control(next.character) || !(letter || (mark && !first))) {
            return false;
        }
        text.remove_prefix(next.bytes);
    }
    return true;
}

// One kind: up to 24 letters, digits, - and _, a letter or digit first.
inline bool is_snapshot_kind(std::string_view text) noexcept
{
    constexpr std::size_t kMaxKind = 24; // a tag has room for one, and for a second
    const auto letter = [](char c) { return is_letter_or_digit(static_cast<unsigned char>(c)); };
    return !text.empty() && text.size() <= kMaxKind && letter(text.front()) &&
           std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || c == '-' || c == '_'; });
}

// Kinds, separated by commas. Empty: none.
inline bool is_snapshot_tag(std::string_view text) noexcept
{
    if (text.size() > SnapshotInfo::kMaxTag) {
        return false;
    }
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(','), text.size());
        if (!is_snapshot_kind(text.substr(0, end)) || end + 1 == text.size()) {
            return false;
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return true;
}

} // namespace snapstore

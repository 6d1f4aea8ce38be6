// SPDX-License-Identifier: GPL-2.0
// Numbers, sizes and times as people write and read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zumastor {

// "4096", "16k", "1.5G": bytes. Suffixes k m g t p (any case; also "KiB", "KB", "iB" endings) are powers of
// 1024. Empty if it is no size, is negative or does not fit.
std::optional<std::uint64_t> parse_size(std::string_view text);
// A decimal integer with optional sign ("+3", "-1") that fits.
std::optional<std::int64_t> parse_integer(std::string_view text);
// As parse_size and parse_integer, but throw Exit::usage naming `what`.
std::uint64_t need_size(std::string_view text, std::string_view what);
std::int64_t need_integer(std::string_view text, std::string_view what, std::int64_t min, std::int64_t max);

// "1.5 GiB"
std::string format_size(std::uint64_t bytes);

// A time as the daemon gives it (RFC 3339 UTC with optional fraction) in ns since 1970; empty if malformed.
std::optional<std::uint64_t> parse_rfc3339(std::string_view text);
std::string format_rfc3339(std::uint64_t ns);   // 2026-11-23T05:06:07Z
std::uint64_t now_ns();                         // since 1970
std::string format_directory(std::uint64_t ns); // 2026.11.23-05.06.07, UTC: no hour comes twice a year

std::vector<std::string> split(std::string_view text, char separator); // empty parts are left out
std::string join(const std::vector<std::string>& parts, std::string_view separator);

// A word as a shell reads it back: quoted if it has characters that mean something to one.
std::string quote_word(std::string_view word);
// The words of a line that was made of such words. Empty if it is anything that a shell would do more with
// than split it.
std::optional<std::vector<std::string>> split_words(std::string_view line);

// As a terminal can show it, on one line: control characters are escaped ("\n", "\x1b"), and so is what is no
// UTF-8; at most `most` bytes, "…" in place of the rest.
std::string shown(std::string_view raw, std::size_t most);

// Columns padded to the widest cell, two blanks between; no blanks at line ends.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

} // namespace zumastor

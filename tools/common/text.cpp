// SPDX-License-Identifier: GPL-2.0
#include "tools/common/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

#include "snapstore/texts.h"
#include "tools/common/failure.h"

namespace zumastor {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

// The power of 1024 that a suffix stands for; empty if it is none.
std::optional<unsigned> suffix_shift(std::string_view suffix)
{
    std::string low;
    for (const char c : suffix) {
        low.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
    if (low.empty() || low == "b") {
        return 0;
    }
    constexpr std::string_view kLetters = "kmgtp";
    const std::size_t place = kLetters.find(low.front());
    const std::string rest = low.substr(1);
    if (place == std::string_view::npos || !(rest.empty() || rest == "b" || rest == "ib")) {
        return std::nullopt;
    }
    return static_cast<unsigned>(10 * (place + 1));
}

std::tm utc(std::uint64_t ns)
{
    const auto seconds = static_cast<std::time_t>(ns / kNsPerSecond);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return parts;
}

using TimeText = std::array<char, 64>;

} // namespace

std::optional<std::uint64_t> parse_size(std::string_view text)
{
    const std::size_t digits = text.find_first_not_of("0123456789.");
    const std::string_view number = text.substr(0, digits);
    const auto shift =
        suffix_shift(digits == std::string_view::npos ? std::string_view{} : text.substr(digits));
    if (number.empty() || !shift) {
        return std::nullopt;
    }
    std::uint64_t whole = 0;
    const char* end = number.data() + number.size();
    if (auto [at, error] = std::from_chars(number.data(), end, whole); error == std::errc{} && at == end) {
        if (whole > (std::numeric_limits<std::uint64_t>::max() >> *shift)) {
            return std::nullopt;
        }
        return whole << *shift;
    }
    double value = 0;
    if (auto [at, error] = std::from_chars(number.data(), end, value); error != std::errc{} || at != end) {
        return std::nullopt;
    }
    const double bytes = std::ldexp(value, static_cast<int>(*shift));
    if (bytes >= 9e18) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(bytes);
}

std::optional<std::int64_t> parse_integer(std::string_view text)
{
    if (text.size() > 1 && text.front() == '+' && text[1] != '-') {
        text.remove_prefix(1);
    }
    std::int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc{} || at != end) {
        return std::nullopt;
    }
    return value;
}

std::uint64_t need_size(std::string_view text, std::string_view what)
{
    if (const auto size = parse_size(text)) {
        return *size;
    }
    throw Failure(Exit::usage, std::string(what) + ": '" + std::string(text) + "' is not a size",
                  "give a number of bytes, or one with k, M, G or T: 16k, 1.5G");
}

std::int64_t need_integer(std::string_view text, std::string_view what, std::int64_t min, std::int64_t max)
{
    const auto value = parse_integer(text);
    if (!value || *value < min || *value > max) {
        throw Failure(Exit::usage, std::string(what) + ": '" + std::string(text) + "' is not a number from " +
                                       std::to_string(min) + " to " + std::to_string(max));
    }
    return *value;
}

std::string format_size(std::uint64_t bytes)
{
    static constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t unit = 0;
    auto value = static_cast<double>(bytes);
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    std::array<char, 32> text{};
    const bool whole = value == std::floor(value);
    std::snprintf(text.data(), text.size(), "%.*f %s", whole ? 0 : 1, value, kUnits[unit]);
    return text.data();
}

std::optional<std::uint64_t> parse_rfc3339(std::string_view text)
{
    const std::string copy(text);
    std::tm parts{};
    const char* at = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (at == nullptr) {
        return std::nullopt;
    }
    std::uint64_t fraction = 0;
    if (*at == '.') {
        std::uint64_t unit = kNsPerSecond;
        for (++at; std::isdigit(static_cast<unsigned char>(*at)) != 0; ++at) {
            unit /= 10;
            fraction += unit * static_cast<std::uint64_t>(*at - '0');
        }
    }
    if (std::string_view(at) != "Z") {
        return std::nullopt;
    }
    const std::time_t seconds = timegm(&parts);
    if (seconds < 0) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(seconds) * kNsPerSecond + fraction;
}

std::uint64_t now_ns()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

std::string format_rfc3339(std::uint64_t ns)
{
    const std::tm parts = utc(ns);
    TimeText text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string format_directory(std::uint64_t ns)
{
    const std::tm parts = utc(ns);
    TimeText text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y.%m.%d-%H.%M.%S", &parts)};
}

std::vector<std::string> split(std::string_view text, char separator)
{
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t end = text.find(separator);
        if (end != 0) {
            parts.emplace_back(text.substr(0, end));
        }
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator)
{
    std::string all;
    for (const std::string& part : parts) {
        if (!all.empty()) {
            all += separator;
        }
        all += part;
    }
    return all;
}

namespace {

// A '#' begins a comment only at the beginning of a word.
bool means_nothing_to_a_shell(char c, bool first)
{
    constexpr std::string_view kMarks = "%+,-./:=@_";
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kMarks.find(c) != std::string_view::npos ||
           (c == '#' && !first);
}

} // namespace

std::string quote_word(std::string_view word)
{
    bool plain = !word.empty();
    for (std::size_t i = 0; i < word.size(); ++i) {
        plain = plain && means_nothing_to_a_shell(word[i], i == 0);
    }
    if (plain) {
        return std::string(word);
    }
    std::string quoted = "'";
    for (const char c : word) {
        quoted += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return quoted + "'";
}

std::optional<std::vector<std::string>> split_words(std::string_view line)
{
    std::vector<std::string> words;
    for (std::size_t at = 0; at < line.size();) {
        if (line[at] == ' ') {
            ++at;
            continue;
        }
        std::string word;
        for (bool first = true; at < line.size() && line[at] != ' '; first = false) {
            if (line[at] == '\'') {
                const std::size_t end = line.find('\'', at + 1);
                if (end == std::string_view::npos) {
                    return std::nullopt;
                }
                word += line.substr(at + 1, end - at - 1);
                at = end + 1;
            } else if (line.substr(at, 2) == "\\'") {
                word += '\'';
                at += 2;
            } else if (means_nothing_to_a_shell(line[at], first)) {
                word += line[at++];
            } else {
                return std::nullopt;
            }
        }
        words.push_back(std::move(word));
    }
    return words;
}

std::string shown(std::string_view raw, std::size_t most)
{
    constexpr std::string_view kCut = "…";
    std::string text;
    std::size_t whole = 0; // so much leaves room for the mark of a cut
    while (!raw.empty() && text.size() <= most) {
        const auto [character, bytes] = snapstore::first_character(raw);
        std::array<char, 16> code{};
        std::string_view next = raw.substr(0, bytes);
        if (bytes == 0) {
            std::snprintf(code.data(), code.size(), "\\x%02x", static_cast<unsigned char>(raw.front()));
            next = code.data();
        } else if (character == '\n' || character == '\t' || character == '\r') {
            next = character == '\n' ? "\\n" : character == '\t' ? "\\t" : "\\r";
        } else if (snapstore::is_control(character)) {
            std::snprintf(code.data(), code.size(), character < 0x80 ? "\\x%02x" : "\\u%04x",
                          static_cast<unsigned>(character));
            next = code.data();
        }
        raw.remove_prefix(std::max<std::size_t>(bytes, 1));
        text += next;
        whole = text.size() + kCut.size() <= most ? text.size() : whole;
    }
    return text.size() <= most ? text : text.substr(0, whole).append(kCut);
}

std::string format_table(const std::vector<std::vector<std::string>>& rows)
{
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            line.append(widths[i] - row[i].size() + 2, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

} // namespace zumastor

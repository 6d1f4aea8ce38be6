// SPDX-License-Identifier: GPL-2.0
// The border: texts and codes from a peer, the control socket, a configuration or a command line are checked
// where they enter, and become values of these types. There is no other way to make one, so code below the
// border, which builds file names, commands and messages, never holds one that was not checked. A value that
// was not given a text is empty: there is none.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/common/failure.h"
#include "tools/common/text.h"

namespace zumastor {

template <class Self>
class CheckedText {
public:
    CheckedText() = default;
    const std::string& str() const noexcept { return text_; }
    const char* c_str() const noexcept { return text_.c_str(); }
    bool empty() const noexcept { return text_.empty(); }
    std::size_t size() const noexcept { return text_.size(); }
    void clear() noexcept { text_.clear(); }
    operator const std::string&() const noexcept { return text_; } // NOLINT(google-explicit-constructor)

    friend bool operator==(const Self& a, const Self& b) { return a.str() == b.str(); }
    friend auto operator<=>(const Self& a, const Self& b) { return a.str() <=> b.str(); }
    friend bool operator==(const Self& a, const std::string& b) { return a.str() == b; }
    friend bool operator==(const Self& a, const char* b) { return a.str() == b; }
    friend std::string operator+(const Self& a, const std::string& b) { return a.str() + b; }
    friend std::string operator+(const Self& a, const char* b) { return a.str() + b; }
    friend std::string operator+(const std::string& a, const Self& b) { return a + b.str(); }
    friend std::string operator+(std::string&& a, const Self& b) { return std::move(a) + b.str(); }
    friend std::string operator+(const char* a, const Self& b) { return a + b.str(); }
    friend std::ostream& operator<<(std::ostream& out, const Self& a) { return out << a.str(); }

protected:
    explicit CheckedText(std::string text) : text_(std::move(text)) {}

private:
    std::string text_;
};

// A volume, here or on another host: up to 64 letters, digits and # + - . : = _, a letter or digit first.
class VolumeName : public CheckedText<VolumeName> {
public:
    VolumeName() = default;
    static VolumeName need(std::string_view text); // throws Exit::usage
    static std::optional<VolumeName> from(std::string_view text);

private:
    explicit VolumeName(std::string text) : CheckedText(std::move(text)) {}
};

// See snapstore/texts.h.
class SnapshotName : public CheckedText<SnapshotName> {
public:
    SnapshotName() = default;
    static std::optional<SnapshotName> from(std::string_view text);

private:
    explicit SnapshotName(std::string text) : CheckedText(std::move(text)) {}
};

class SnapshotTag : public CheckedText<SnapshotTag> {
public:
    SnapshotTag() = default;
    static std::optional<SnapshotTag> from(std::string_view text);
    static SnapshotTag need(std::string_view text); // throws Exit::usage
    std::vector<std::string> kinds() const;

private:
    explicit SnapshotTag(std::string text) : CheckedText(std::move(text)) {}
};

// 8-4-4-4-12 hexadecimal digits, lower case.
class UuidText : public CheckedText<UuidText> {
public:
    UuidText() = default;
    static std::optional<UuidText> from(std::string_view text); // empty gives the empty one
    static UuidText need(std::string_view text);                // the same; throws Exit::failed

private:
    explicit UuidText(std::string text) : CheckedText(std::move(text)) {}
};

// For people only: control characters, and what is no UTF-8, are escaped; what is too long is cut.
class PlainText : public CheckedText<PlainText> {
public:
    static constexpr std::size_t kMost = 1000; // bytes
    PlainText() = default;
    PlainText(std::string_view raw) : CheckedText(shown(raw, kMost)) {} // NOLINT(google-explicit-constructor)
    PlainText(const std::string& raw)
        : PlainText(std::string_view(raw)) {}                        // NOLINT(google-explicit-constructor)
    PlainText(const char* raw) : PlainText(std::string_view(raw)) {} // NOLINT(google-explicit-constructor)
};

// A failure's code as a peer, or its exit status, tells it. One that is not known here, of a later version,
// is `failed`; so is an interrupt there, which is none here. Empty: no exit code of a failure at all.
std::optional<Exit> exit_of_peer(std::int64_t code) noexcept;

} // namespace zumastor

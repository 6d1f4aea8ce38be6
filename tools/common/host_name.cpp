// SPDX-License-Identifier: GPL-2.0
#include "tools/common/host_name.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "snapstore/texts.h"

namespace zumastor {
namespace {

// With the longest name of a volume it fits a unit's name and a file's, and socket paths of ssh.
constexpr std::size_t kMaxHost = 128;
constexpr std::size_t kMaxLabel = 63; // between two dots: DNS
constexpr std::size_t kMaxUser = 64;
constexpr std::size_t kMaxScope = IFNAMSIZ - 1;
constexpr std::uint64_t kHighestPort = 65535;

// Why a text cannot be a host; whoever asked says which text, and where it was.
struct Wrong {
    std::string what;
};

bool has_only(std::string_view text, std::string_view marks)
{
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return snapstore::is_letter_or_digit(static_cast<unsigned char>(c)) ||
               marks.find(c) != std::string_view::npos;
    });
}

// It is an argument of ssh, and part of files' and units' names.
void check_user(std::string_view user)
{
    if (user.empty()) {
        throw Wrong{"the user's name is empty"};
    }
    if (user.front() == '-') {
        throw Wrong{"the user's name begins with '-'"};
    }
    if (user.size() > kMaxUser || !has_only(user, "._-+@")) {
        throw Wrong{"the user's name is not of letters, digits and ._-+@, " + std::to_string(kMaxUser) +
                    " at most"};
    }
}

void check_name(std::string_view name)
{
    if (name.empty()) {
        throw Wrong{"the host's name is empty"};
    }
    if (name.front() == '-') {
        throw Wrong{"the host's name begins with '-'"};
    }
    if (!has_only(name, ".-_")) {
        throw Wrong{"the host's name is not of letters, digits and .-_"};
    }
    if (name.front() == '.' ||
        name.find("..") != std::string_view::npos) { // one at the end is the root of DNS
        throw Wrong{"nothing is between two of its dots, or before the first"};
    }
    for (const std::string& label : split(name, '.')) {
        if (label.size() > kMaxLabel) {
            throw Wrong{"it has more than " + std::to_string(kMaxLabel) + " characters between two dots"};
        }
    }
}

void check_ipv6(std::string_view text)
{
    const std::size_t percent = text.find('%');
    const std::string address(text.substr(0, percent));
    std::array<unsigned char, sizeof(in6_addr)> binary{};
    if (::inet_pton(AF_INET6, address.c_str(), binary.data()) != 1) {
        throw Wrong{"'" + shown(address, kMaxHost) +
                    "' is not an IPv6 address; with a port it is [ADDRESS]:PORT"};
    }
    if (percent == std::string_view::npos) {
        return;
    }
    const std::string_view scope = text.substr(percent + 1);
    if (scope.empty() || scope.size() > kMaxScope || !has_only(scope, ".-_")) {
        throw Wrong{"what follows the address's % is not a network interface"};
    }
}

std::uint64_t need_port(std::string_view text)
{
    std::uint64_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > kHighestPort) {
        throw Wrong{"its port is not a number from 1 to " + std::to_string(kHighestPort)};
    }
    return port;
}

struct HostParts {
    std::string_view user;
    std::string_view address;
    std::uint64_t port = 0;
};

// Address and port of what follows the user.
void take_apart(std::string_view rest, HostParts& parts)
{
    const std::size_t colon = rest.find(':');
    if (rest.starts_with('[')) {
        const std::size_t end = rest.find(']');
        if (end == std::string_view::npos) {
            throw Wrong{"its ']' is missing"};
        }
        parts.address = rest.substr(1, end - 1);
        check_ipv6(parts.address);
        const std::string_view after = rest.substr(end + 1);
        if (!after.empty() && after.front() != ':') {
            throw Wrong{"only ':' and a port can follow its ']'"};
        }
        parts.port = after.empty() ? 0 : need_port(after.substr(1));
    } else if (colon != rest.rfind(':')) { // two of them
        parts.address = rest;
        check_ipv6(parts.address);
    } else {
        parts.address = rest.substr(0, colon);
        check_name(parts.address);
        parts.port = colon == std::string_view::npos ? 0 : need_port(rest.substr(colon + 1));
    }
}

HostParts host_parts(std::string_view text)
{
    if (text.empty()) {
        throw Wrong{"it is empty"};
    }
    if (text.size() > kMaxHost) {
        throw Wrong{"it has more than " + std::to_string(kMaxHost) + " characters"};
    }
    if (text.find("://") != std::string_view::npos) {
        throw Wrong{"it is a URL"};
    }
    HostParts parts;
    const std::size_t at = text.rfind('@'); // the last, as for ssh: a user's name may have one
    if (at != std::string_view::npos) {
        parts.user = text.substr(0, at);
        check_user(parts.user);
    }
    take_apart(text.substr(at == std::string_view::npos ? 0 : at + 1), parts);
    return parts;
}

std::string text_of(const std::string& user, const std::string& address, std::uint64_t port)
{
    const bool brackets = port != 0 && address.find(':') != std::string::npos;
    return (user.empty() ? "" : user + "@") + (brackets ? "[" + address + "]" : address) +
           (port == 0 ? "" : ":" + std::to_string(port));
}

} // namespace

LoginName LoginName::need(std::string_view text, const std::string& where)
{
    try {
        check_user(text);
    } catch (const Wrong& wrong) {
        throw Failure(Exit::usage, where + ": '" + shown(text, kMaxUser + 16) + "': " + wrong.what,
                      "give the name of an account");
    }
    return LoginName(std::string(text));
}

HostName::HostName(LoginName user, std::string address, std::uint64_t port)
    : CheckedText(text_of(user, address, port)), user_(std::move(user)), address_(std::move(address)),
      port_(port)
{}

HostName HostName::need(std::string_view text, const std::string& where)
{
    try {
        const HostParts parts = host_parts(text);
        return {LoginName(std::string(parts.user)), std::string(parts.address), parts.port};
    } catch (const Wrong& wrong) {
        throw Failure(Exit::usage,
                      where + ": '" + shown(text, kMaxHost + 16) + "' cannot be a host: " + wrong.what,
                      "give [USER@]NAME[:PORT] as ssh knows it, or [USER@][IPV6]:PORT, at most " +
                          std::to_string(kMaxHost) + " characters, " + std::to_string(kMaxLabel) +
                          " between dots; ~/.ssh/config can give a shorter name");
    }
}

std::optional<HostName> HostName::from(std::string_view text)
{
    try {
        return need(text, "host");
    } catch (const Failure&) {
        return std::nullopt;
    }
}

bool HostName::is_this_host() const noexcept { return str() == "localhost"; }

HostName HostName::without_port() const { return {user_, address_, 0}; }

HostName HostName::with_port(std::uint64_t port, const std::string& where) const
{
    if (port == 0 || port == port_) {
        return *this;
    }
    if (port_ != 0 || port > kHighestPort) {
        throw Failure(Exit::usage,
                      where + ": host " + str() + " has another port than " + std::to_string(port),
                      "give one of them only");
    }
    return {user_, address_, port};
}

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
// HOST: another host, as every command, configuration and state file names it.
//
//   [USER@]NAME[:PORT]                as ssh knows it: a name of DNS, an alias of ssh_config, an IPv4 address
//   [USER@]ADDRESS                    IPv6, with its %SCOPE if it has one: more than one colon is no port
//   [USER@][ADDRESS][:PORT]         the same, in brackets, which a port needs
//
// Whatever is written, there is one text for it, str(): a host is known by that in configurations, files'
// names, units and messages. It has brackets only where a port follows an IPv6 address.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/common/border.h"

namespace zumastor {

// An account of a system, here or on another host.
class LoginName : public CheckedText<LoginName> {
public:
    LoginName() = default;
    static LoginName need(std::string_view text, const std::string& where); // throws Exit::usage

private:
    friend class HostName;
    explicit LoginName(std::string text) : CheckedText(std::move(text)) {}
};

class HostName : public CheckedText<HostName> {
public:
    HostName() = default; // none
    static HostName need(std::string_view text,
                         const std::string& where); // throws Exit::usage: what is wrong
    static std::optional<HostName> from(std::string_view text);

    const LoginName& user() const noexcept { return user_; }         // empty: as ssh's configuration says
    const std::string& address() const noexcept { return address_; } // without brackets
    std::uint64_t port() const noexcept { return port_; }            // 0: as ssh's configuration says

    // "localhost" and nothing else: another volume of this host, for which no ssh is needed.
    bool is_this_host() const noexcept;
    HostName without_port() const;
    // 0: as it is. Throws Exit::usage if it has another one.
    HostName with_port(std::uint64_t port, const std::string& where) const;
    // It is what `asked` names: the same, or the same at whatever port if `asked` has none.
    bool is_meant_by(const HostName& asked) const { return *this == asked || without_port() == asked; }

private:
    HostName(LoginName user, std::string address, std::uint64_t port);

    LoginName user_;
    std::string address_;
    std::uint64_t port_ = 0;
};

} // namespace zumastor

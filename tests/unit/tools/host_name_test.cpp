// SPDX-License-Identifier: GPL-2.0
// HOST: what is one, what it is taken apart into, what it is called.
#include "tools/common/host_name.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/tools/literals.h"
#include "tools/zumastor/config/config.h"

namespace zumastor {
namespace {

using namespace literals;

struct Good {
    const char* text;
    const char* user;
    const char* address;
    std::uint64_t port;
    const char* called; // the one text for it
};

TEST(HostName, IsTakenApart)
{
    const Good table[] = {
        {"a", "", "a", 0, "a"},
        {"localhost", "", "localhost", 0, "localhost"},
        {"x_1-2", "", "x_1-2", 0, "x_1-2"},
        {"10.0.0.1", "", "10.0.0.1", 0, "10.0.0.1"},
        {"10.0.0.1:22", "", "10.0.0.1", 22, "10.0.0.1:22"},
        {"backup.example.", "", "backup.example.", 0, "backup.example."},
        {"root@backup.example", "root", "backup.example", 0, "root@backup.example"},
        {"zumastor-repl@backup:2222", "zumastor-repl", "backup", 2222, "zumastor-repl@backup:2222"},
        {"me@realm@backup", "me@realm", "backup", 0, "me@realm@backup"},
        {"backup:65535", "", "backup", 65535, "backup:65535"},
        {"backup:0022", "", "backup", 22, "backup:22"},
        {"::1", "", "::1", 0, "::1"},
        {"[::1]", "", "::1", 0, "::1"},
        {"[::1]:22", "", "::1", 22, "[::1]:22"},
        {"::1:22", "", "::1:22", 0, "::1:22"}, // no port: more than one colon
        {"fe80::1%eth0", "", "fe80::1%eth0", 0, "fe80::1%eth0"},
        {"fe80::1%i", "", "fe80::1%i", 0, "fe80::1%i"},
        {"root@[fe80::1%eth0]", "root", "fe80::1%eth0", 0, "root@fe80::1%eth0"},
        {"root@[fe80::1%br-lan.2]:2222", "root", "fe80::1%br-lan.2", 2222, "root@[fe80::1%br-lan.2]:2222"},
        {"::ffff:10.0.0.1", "", "::ffff:10.0.0.1", 0, "::ffff:10.0.0.1"},
    };
    for (const Good& good : table) {
        const HostName host = HostName::need(good.text, "test");
        EXPECT_EQ(host.user(), good.user) << good.text;
        EXPECT_EQ(host.address(), good.address) << good.text;
        EXPECT_EQ(host.port(), good.port) << good.text;
        EXPECT_EQ(host.str(), good.called) << good.text;
        const HostName again = HostName::need(host.str(), "test"); // what files hold
        EXPECT_EQ(again, host);
        EXPECT_EQ(again.address(), host.address());
    }
}

struct Bad {
    std::string text;
    const char* wrong;
};

std::vector<Bad> bad_hosts()
{
    return {
        {"", "it is empty"},
        {"-oProxyCommand=id", "begins with '-'"},
        {"root@-oProxyCommand=id", "begins with '-'"},
        {"-oProxyCommand=id@backup", "the user's name begins with '-'"},
        {"@backup", "the user's name is empty"},
        {"root@", "the host's name is empty"},
        {"@", "the user's name is empty"},
        {"a b@backup", "the user's name is not of"},
        {"$(id)@backup", "the user's name is not of"},
        {"%h@backup", "the user's name is not of"},
        {std::string(65, 'u') + "@backup", "64 at most"},
        {"a b", "the host's name is not of"},
        {"a/b", "the host's name is not of"},
        {"../../etc", "the host's name is not of"},
        {"a;b", "the host's name is not of"},
        {"a%eth0", "the host's name is not of"},
        {"a\nb", "the host's name is not of"},
        {"\x1b[2J", "the host's name is not of"},
        {std::string("a\0b", 3), "the host's name is not of"},
        {"\xc3\xa9", "the host's name is not of"},
        {"a..b", "between two of its dots"},
        {".a", "before the first"},
        {std::string(64, 'h'), "more than 63 characters between two dots"},
        {std::string(254, 'h'), "more than 128 characters"},
        {"backup:", "its port is not a number"},
        {"backup:0", "its port is not a number"},
        {"backup:65536", "its port is not a number"},
        {"backup:99999999999999999999", "its port is not a number"},
        {"backup:-1", "its port is not a number"},
        {"backup: 22", "its port is not a number"},
        {"backup:ssh", "its port is not a number"},
        {":22", "the host's name is empty"},
        {"[]", "is not an IPv6 address"},
        {"[backup]:22", "is not an IPv6 address"},
        {"[10.0.0.1]:22", "is not an IPv6 address"},
        {"[::1", "its ']' is missing"},
        {"[::1]22", "only ':' and a port"},
        {"[::1]:", "its port is not a number"},
        {"[::1]:0", "its port is not a number"},
        {"::1]", "is not an IPv6 address"},
        {"fe80:::1", "is not an IPv6 address"},
        {"backup:22:22", "is not an IPv6 address"},
        {"fe80::1%", "not a network interface"},
        {"fe80::1%a b", "not a network interface"},
        {"fe80::1%" + std::string(16, 'x'), "not a network interface"},
        {"ssh://root@backup:22", "it is a URL"},
    };
}

TEST(HostName, WhatIsWrongIsNamed)
{
    for (const Bad& bad : bad_hosts()) {
        EXPECT_FALSE(HostName::from(bad.text)) << bad.text;
        try {
            HostName::need(bad.text, "target");
            ADD_FAILURE() << bad.text;
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), Exit::usage);
            const std::string what = failure.what();
            EXPECT_EQ(what.find("target: '"), 0u) << what;
            EXPECT_NE(what.find(bad.wrong), std::string::npos) << what;
        }
    }
    std::string longest;
    while (longest.size() < 150) {
        longest += "label.";
    }
    EXPECT_FALSE(HostName::from(longest));
}

TEST(HostName, LocalhostAloneIsThisHost)
{
    EXPECT_TRUE("localhost"_host.is_this_host());
    for (const char* other : {"localhost:22", "root@localhost", "localhost.", "::1", "127.0.0.1"}) {
        EXPECT_FALSE(HostName::need(other, "test").is_this_host()) << other;
    }
}

TEST(HostName, HasOnePort)
{
    EXPECT_EQ("me@::1"_host.with_port(22, "test").str(), "me@[::1]:22");
    EXPECT_EQ("a:22"_host.with_port(22, "test").str(), "a:22");
    EXPECT_EQ("a:22"_host.with_port(0, "test").str(), "a:22");
    EXPECT_THROW("a:22"_host.with_port(23, "test"), Failure);
    EXPECT_THROW("a"_host.with_port(65536, "test"), Failure);
    EXPECT_EQ("me@[::1]:22"_host.without_port().str(), "me@::1");
    EXPECT_TRUE("me@a:22"_host.is_meant_by("me@a"_host));
    EXPECT_FALSE("me@a:22"_host.is_meant_by("a"_host));
    EXPECT_FALSE("me@a:22"_host.is_meant_by("me@a:23"_host));
    EXPECT_FALSE("a"_host.is_meant_by("a:22"_host));
}

TEST(HostName, AConfigurationHasItsPortInEitherPlace)
{
    const auto source_of = [](const std::string& fields) {
        return parse_config("origin='a'\nstore='b'\n[source]\n" + fields, "v"_volume, "x").source->host.str();
    };
    EXPECT_EQ(source_of("host='up'\nport=2222\n"), "up:2222");
    EXPECT_EQ(source_of("host='up:2222'\n"), "up:2222");
    EXPECT_EQ(source_of("host='up:2222'\nport=0\n"), "up:2222");
    EXPECT_EQ(source_of("host='me@fe80::1%eth0'\nport=2222\n"), "me@[fe80::1%eth0]:2222");
    EXPECT_THROW(source_of("host='up:2222'\nport=22\n"), Failure);
    EXPECT_THROW(source_of("host='up'\nport=65536\n"), Failure);
    EXPECT_THROW(source_of("host='-x'\n"), Failure);
    VolumeConfig config = parse_config("origin='a'\nstore='b'\n[source]\nhost='up:2222'\n[[target]]\n"
                                       "host='me@[::1]:22'\n",
                                       "v"_volume, "x");
    const std::string text = format_config(config);
    EXPECT_NE(text.find("host = \"up\"\nport = 2222\n"), std::string::npos)
        << text; // as older versions read it
    EXPECT_EQ(parse_config(text, "v"_volume, "x"), config);
    EXPECT_NE(find_target(config, "me@[::1]:0022"_host), nullptr);
    EXPECT_EQ(find_target(config, "me@::1"_host), nullptr);
}

} // namespace
} // namespace zumastor

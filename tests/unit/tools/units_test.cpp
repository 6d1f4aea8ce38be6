// SPDX-License-Identifier: GPL-2.0
// The systemd units that a configuration asks for.
#include <gtest/gtest.h>

#include "tests/unit/tools/literals.h"
#include "tools/common/failure.h"
#include "tools/zumastor/host/raw_origin.h"
#include "tools/zumastor/systemd/units.h"

namespace zumastor {
namespace {

using namespace literals;

VolumeConfig replicated()
{
    VolumeConfig config;
    config.name = "web-1"_volume;
    config.origin = "/dev/a";
    config.store = "/dev/b";
    Target target;
    target.host = "root@backup.example"_host;
    target.period = 600;
    config.targets = {target};
    return config;
}

TEST(Units, NamesAreEscapedAsSystemdDoes) // compared with systemd-escape
{
    EXPECT_EQ(escape_unit("web-1/root@backup.example"), R"(web\x2d1-root\x40backup.example)");
    EXPECT_EQ(escape_unit("my.vol-1_2+3=4:5#6"), R"(my.vol\x2d1_2\x2b3\x3d4:5\x236)");
    EXPECT_EQ(escape_unit("a/[fe80::1%eth0]"), R"(a-\x5bfe80::1\x25eth0\x5d)");
    EXPECT_EQ(escape_unit(".a"), R"(\x2ea)");
    EXPECT_EQ(replicate_unit("a", {}, "service"), "zumastor-replicate@a.service");
    EXPECT_EQ(snapshot_unit("a", "hourly", "timer"), "zumastor-snapshot@a-hourly.timer");
}

TEST(Units, ANameOfTooManyMarksHasNoUnits)
{
    EXPECT_TRUE(fits_units(std::string(64, 'a')));
    EXPECT_TRUE(fits_units("a" + std::string(50, '-') + std::string(13, 'a')));
    EXPECT_FALSE(fits_units("a" + std::string(63, '-')));
}

TEST(Units, AHostOfTooManyMarksHasNoUnits)
{
    EXPECT_TRUE(fits_units("a", "zumastor-repl@[fe80::1%br-lan.2]:2222"_host));
    EXPECT_FALSE(fits_units(std::string(64, 'a'), HostName::need("a" + std::string(50, '-') + "a", "test")));
}

TEST(Units, AnInstanceIsReadBack)
{
    EXPECT_EQ(Instance::parse("a").rest, "");
    const Instance both = Instance::parse("web-1/root@backup");
    EXPECT_EQ(both.volume, "web-1");
    EXPECT_EQ(both.rest, "root@backup");
    EXPECT_EQ(both.word(), "web-1/root@backup");
}

TEST(Units, TimersAreWhatTheConfigurationAsksFor)
{
    VolumeConfig config = replicated();
    set_kind(config.schedule, "daily", 7);
    set_kind(config.schedule, "mine", 7); // has no time of its own
    const auto timers = timers_of(config);
    ASSERT_EQ(timers.size(), 2u);
    const std::string unit = R"(zumastor-replicate@web\x2d1-root\x40backup.example.timer)";
    const Timer* cycle = find_timer(timers, unit);
    ASSERT_NE(cycle, nullptr);
    EXPECT_NE(cycle->text.find("\nOnUnitActiveSec=600s\n"), std::string::npos);
    EXPECT_EQ(cycle->cron,
              "*/10 * * * * root /usr/sbin/zumastor replicate web-1 root@backup.example --quiet");
    const Timer* daily = find_timer(timers, R"(zumastor-snapshot@web\x2d1-daily.timer)");
    ASSERT_NE(daily, nullptr);
    EXPECT_NE(daily->text.find("\nOnCalendar=daily\nPersistent=true\n"), std::string::npos);
    config.targets[0].stopped = true;
    EXPECT_EQ(find_timer(timers_of(config), unit), nullptr);
    config.targets[0].stopped = false;
    config.targets[0].period = 0;
    EXPECT_EQ(find_timer(timers_of(config), unit), nullptr);
    config.source = SourceRole{"up"_host, {}, false, 7200, false};
    const auto both = timers_of(config);
    const Timer* pull = find_timer(both, R"(zumastor-replicate@web\x2d1.timer)");
    ASSERT_NE(pull, nullptr);
    EXPECT_EQ(pull->cron, "0 */2 * * * root /usr/sbin/zumastor replicate web-1 --quiet");
}

TEST(Units, AVolumeWaitsForItsDevices)
{
    VolumeConfig config = replicated();
    config.origin = "/dev/disk/by-id/virtio-a";
    config.store = "/dev/vg/store";
    EXPECT_EQ(device_unit(config.origin),
              R"(dev-disk-by\x2did-virtio\x2da.device)"); // as systemd-escape --path
    EXPECT_EQ(volume_unit(config.name), R"(zumastor@web\x2d1.service)");
    EXPECT_EQ(daemon_unit("a.b"), "ddsnapd@a.b.service");
    const std::string both = R"(dev-disk-by\x2did-virtio\x2da.device dev-vg-store.device)";
    EXPECT_NE(volume_drop_in(config).find("\nRequires=" + both + "\nAfter=" + both + "\n"),
              std::string::npos);
    config.origin = "/var/lib/zumastor/a/a.origin";
    config.store = "/var/lib/zumastor/a/a.store";
    EXPECT_EQ(volume_drop_in(config), "");
    const auto timers = timers_of(config);
    ASSERT_EQ(timers.size(), 1u);
    EXPECT_EQ(timers.front().service(), R"(zumastor-replicate@web\x2d1-root\x40backup.example.service)");
    EXPECT_NE(timed_drop_in(config).find("\nAfter="
                                         R"(zumastor@web\x2d1.service)"
                                         "\n"),
              std::string::npos);
}

TEST(Units, PercentSignsMeanThemselves)
{
    VolumeConfig config = replicated();
    config.targets[0].host = "fe80::1%i"_host;
    EXPECT_NE(timers_of(config).front().text.find("to fe80::1%%i\n"), std::string::npos);
}

TEST(RawOrigin, UdevIsToldWhichDiskIsBeneathTheVolume)
{
    VolumeConfig config;
    config.name = "my.vol-1_2+3=4:5#6"_volume;
    config.origin = "/dev/cciss/c0d0";
    EXPECT_EQ(origin_rule(config),
              R"(KERNEL=="cciss!c0d0", ENV{ZUMASTOR_ORIGIN}="my.vol-1_2+3=4:5#6"
SYMLINK=="cciss/c0d0", ENV{ZUMASTOR_ORIGIN}="my.vol-1_2+3=4:5#6"
ENV{ZUMASTOR_ORIGIN}=="my.vol-1_2+3=4:5#6", RUN+="/bin/sh -c 'test -e /run/zumastor/my.vol-1_2+3=4:5#6 )"
              R"(|| exec blockdev --setro $devnode'"
)");
    config.origin = R"(/dev/disk/by-id/a\x20b|"[c]*?)"; // no pattern but of itself, and no end of the rule
    EXPECT_NE(origin_rule(config).find(R"(SYMLINK=="disk/by-id/a?x20b???c???", )"), std::string::npos);
    config.origin = "/var/lib/zumastor/a/a.origin"; // on no device before it is started
    EXPECT_EQ(origin_rule(config), "");
    EXPECT_EQ(origin_rules_file(""), "");
}

TEST(Config, PeriodsAreReadBack)
{
    VolumeConfig config = replicated();
    config.targets[0].stopped = true;
    config.source = SourceRole{"up"_host, {}, false, 60, true};
    EXPECT_EQ(parse_config(format_config(config), config.name, "x"), config);
    EXPECT_THROW(parse_config("origin='a'\nstore='b'\n[[target]]\nhost='h'\nperiod=-1\n", "v"_volume, "x"),
                 Failure);
}

} // namespace
} // namespace zumastor

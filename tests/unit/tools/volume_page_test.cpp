// SPDX-License-Identifier: GPL-2.0
// The manual page of VOL.toml: its example is one, and it has every field that there is.
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/tools/literals.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/config.h"

namespace zumastor {
namespace {

using namespace literals;

std::string example()
{
    const std::string page = read_text(VOLUME_PAGE);
    const std::string begin = "\n.EX\n";
    const std::size_t at = page.find(begin) + begin.size();
    return page.substr(at, page.find("\n.EE\n") + 1 - at);
}

TEST(VolumePage, HasAnExampleThatIsOne)
{
    const VolumeConfig config = parse_config(example(), "data"_volume, "the example");
    EXPECT_EQ(config.origin, "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4-part1");
    ASSERT_EQ(config.targets.size(), 1u);
    EXPECT_EQ(config.targets[0].period, 600u);
    EXPECT_EQ(config.schedule.size(), 2u);
}

// What format_config() writes of a volume that has everything, and what only the example has.
TEST(VolumePage, NamesEveryField)
{
    VolumeConfig replica;
    replica.name = "data"_volume;
    replica.origin = "/dev/a";
    replica.store = "/dev/b";
    replica.source =
        SourceRole{"up"_host, "there"_volume, true, 60, true, 1, LoginName::need("user", "user")};
    const std::string page = read_text(VOLUME_PAGE);
    const std::regex field("^([a-z_]+) = ");
    std::size_t fields = 0;
    for (const std::string& line : split(example() + format_config(replica), '\n')) {
        std::smatch found;
        if (!std::regex_search(line, found, field) || line.starts_with("hourly") ||
            line.starts_with("daily")) {
            continue;
        }
        ++fields;
        const std::string name = found[1];
        EXPECT_TRUE(page.find("\n.B " + name) != std::string::npos ||
                    page.find("\\fR, \\fB" + name) != std::string::npos)
            << name;
    }
    EXPECT_GT(fields, 30u);
}

} // namespace
} // namespace zumastor

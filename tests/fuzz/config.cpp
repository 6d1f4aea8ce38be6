// SPDX-License-Identifier: GPL-2.0
// The configuration file of a volume: a Failure with words, or a configuration that is the same when it is
// written and read again.
#include "tools/zumastor/config/config.h"
#include "tools/common/failure.h"

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    zumastor::VolumeConfig config;
    try {
        config = zumastor::parse_config({reinterpret_cast<const char*>(data), size},
                                        zumastor::VolumeName::need("data"), "data.toml");
    } catch (const zumastor::Failure&) {
        return 0;
    }
    try {
        if (zumastor::parse_config(zumastor::format_config(config), zumastor::VolumeName::need("data"),
                                   "again") != config) {
            zumastor::fuzz::finding("what is written is not what was read");
        }
    } catch (const zumastor::Failure&) {
        zumastor::fuzz::finding("what is written cannot be read");
    }
    return 0;
}

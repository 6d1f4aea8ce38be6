// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config/rate_limit.h"

#include <nlohmann/json.hpp>

#include "tools/common/json_fields.h"

namespace zumastor {

void limit_rate(stream::SendOptions& options, std::uint64_t rate)
{
    if (rate > 0 && (options.bytes_per_second == 0 || rate < options.bytes_per_second)) {
        options.bytes_per_second = rate;
    }
}

stream::SendOptions limited(stream::SendOptions options, const Target& target)
{
    limit_rate(options, target.bytes_per_second);
    if (!target.compress) {
        options.compression.zstd.reset();
    }
    return options;
}

std::uint64_t read_limit(const nlohmann::json& object)
{
    return object.contains("bytes_per_second") ? number_field(object, "bytes_per_second", kHighestRate) : 0;
}

} // namespace zumastor

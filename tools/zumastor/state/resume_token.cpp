// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/resume_token.h"

#include "tools/common/text.h"
#include "tools/common/uuid_text.h"

namespace zumastor {

std::string format_token(const Reception& reception)
{
    return "1:" + (reception.from.empty() ? "-" : reception.from.str()) + ":" + reception.to + ":" +
           std::to_string(reception.next_chunk);
}

Reception parse_token(const std::string& text)
{
    const std::vector<std::string> parts = split(text, ':');
    if (parts.size() != 4 || parts[0] != "1") {
        throw Failure(Exit::usage, "'" + text + "' is not a resume token",
                      "the receiving side prints the token: zumastor receive --resume-token VOL");
    }
    Reception reception{
        UuidText::need(parts[1] == "-" ? "" : parts[1]), UuidText::need(parts[2]),
        static_cast<std::uint64_t>(need_integer(parts[3], "the token's chunk", 0, INT64_MAX))};
    return reception;
}

} // namespace zumastor

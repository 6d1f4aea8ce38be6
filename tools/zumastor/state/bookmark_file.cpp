// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/bookmark_file.h"

#include "tools/common/known.h"

namespace zumastor {

std::string bookmark_file(const std::string& state_directory, const std::string& replica)
{
    return state_directory + "/bookmark-" + replica + ".changes";
}

std::optional<Changelist> load_bookmark(const std::string& state_directory, const std::string& replica)
{
    const std::string path = bookmark_file(state_directory, replica);
    const auto text = text_of(path).need();
    return text ? std::optional(parse_changelist(*text, path)) : std::nullopt;
}

} // namespace zumastor

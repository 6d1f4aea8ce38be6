// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/wanted_kinds.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "snapstore/store.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/kinds.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/state/state_file.h"

namespace zumastor {
namespace {

constexpr int kWantedVersion = 1;

StateFile wanted_file(const std::string& directory)
{
    return {directory, "wanted-kinds.json", kWantedVersion,
            "remove the file, and ask for the kinds again: zumastor snapshot VOL KIND"};
}

bool among(const std::vector<std::string>& kinds, const std::string& kind)
{
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

} // namespace

std::vector<std::string> load_wanted_kinds(const std::string& state_directory)
{
    std::vector<std::string> kinds;
    wanted_file(state_directory).load([&](const nlohmann::json& object) {
        kinds = object.at("kinds").get<std::vector<std::string>>();
        for (const std::string& kind : kinds) {
            check_kind_name(kind);
        }
    });
    return kinds;
}

void add_wanted_kinds(const std::string& state_directory, const std::vector<std::string>& kinds)
{
    std::vector<std::string> wanted = load_wanted_kinds(state_directory);
    for (const std::string& kind : kinds) {
        if (!among(wanted, kind)) {
            wanted.push_back(kind);
        }
    }
    wanted_file(state_directory).save({{"kinds", wanted}});
}

void remove_wanted_kinds(const std::string& state_directory, const std::vector<std::string>& kinds)
{
    std::vector<std::string> wanted = load_wanted_kinds(state_directory);
    if (std::erase_if(wanted, [&](const std::string& kind) { return among(kinds, kind); }) > 0) {
        wanted_file(state_directory).save({{"kinds", wanted}});
    }
}

TagWithWanted add_to_tag(const SnapshotTag& tag, const std::vector<std::string>& wanted)
{
    std::vector<std::string> kinds = tag.kinds();
    if (!wanted.empty()) {
        std::erase(kinds, kReplicateKind);
    }
    TagWithWanted result;
    for (const std::string& kind : wanted) {
        std::vector<std::string> more = kinds;
        if (!among(more, kind)) {
            more.push_back(kind);
        }
        if (join(more, ",").size() <= snapstore::SnapshotInfo::kMaxTag) {
            kinds = std::move(more);
            result.taken.push_back(kind);
        }
    }
    result.tag = SnapshotTag::need(join(kinds, ","));
    return result;
}

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/wanted_kinds.h"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/names.h"
#include "tools/zumastor/replication/transfer.h"

namespace zumastor {
namespace {

constexpr int kWantedVersion = 1;

std::string wanted_file(const std::string& directory) { return directory + "/wanted-kinds.json"; }

bool among(const std::vector<std::string>& kinds, const std::string& kind)
{
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

void save_wanted_kinds(const std::string& directory, const std::vector<std::string>& kinds)
{
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    const nlohmann::ordered_json object{{"version", kWantedVersion}, {"kinds", kinds}};
    write_text(wanted_file(directory), object.dump(2) + "\n");
}

} // namespace

std::vector<std::string> load_wanted_kinds(const std::string& state_directory)
{
    const std::string path = wanted_file(state_directory);
    const auto text = text_of(path).need();
    if (!text) {
        return {};
    }
    try {
        const auto object = nlohmann::json::parse(*text);
        if (object.at("version").get<int>() != kWantedVersion) {
            throw Failure(Exit::failed, path + ": written by another version of zumastor");
        }
        auto kinds = object.at("kinds").get<std::vector<std::string>>();
        for (const std::string& kind : kinds) {
            check_kind_name(kind);
        }
        return kinds;
    } catch (const nlohmann::json::exception& error) {
        throw Failure(Exit::failed, path + " is not understood: " + error.what(),
                      "remove it, and ask for the kinds again: zumastor snapshot VOL KIND");
    }
}

void add_wanted_kinds(const std::string& state_directory, const std::vector<std::string>& kinds)
{
    std::vector<std::string> wanted = load_wanted_kinds(state_directory);
    for (const std::string& kind : kinds) {
        if (!among(wanted, kind)) {
            wanted.push_back(kind);
        }
    }
    save_wanted_kinds(state_directory, wanted);
}

void remove_wanted_kinds(const std::string& state_directory, const std::vector<std::string>& kinds)
{
    std::vector<std::string> wanted = load_wanted_kinds(state_directory);
    if (std::erase_if(wanted, [&](const std::string& kind) { return among(kinds, kind); }) > 0) {
        save_wanted_kinds(state_directory, wanted);
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
        if (join(more, ",").size() <= kMaxTag) {
            kinds = std::move(more);
            result.taken.push_back(kind);
        }
    }
    result.tag = SnapshotTag::need(join(kinds, ","));
    return result;
}

} // namespace zumastor

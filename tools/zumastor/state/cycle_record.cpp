// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/cycle_record.h"

#include <nlohmann/json.hpp>

#include "tools/zumastor/state/state_file.h"

namespace zumastor {
namespace {

constexpr int kCycleVersion = 1;

StateFile cycle_file(const std::string& directory, const HostName& host)
{
    return {directory, host.empty() ? "cycle-from-source.json" : "cycle-to-" + host + ".json", kCycleVersion,
            "remove the file: only this record of the last cycle is lost"};
}

} // namespace

CycleRecord load_cycle(const std::string& state_directory, const HostName& host)
{
    CycleRecord record;
    cycle_file(state_directory, host).load([&](const nlohmann::json& object) {
        record = {object.at("begun_ns").get<std::uint64_t>(),
                  object.at("ended_ns").get<std::uint64_t>(),
                  object.at("code").get<int>(),
                  object.at("error").get<std::string>(),
                  object.at("next").get<std::string>(),
                  object.at("success_ns").get<std::uint64_t>(),
                  object.at("snapshot").get<std::string>(),
                  object.at("created_ns").get<std::uint64_t>()};
    });
    return record;
}

void save_cycle(const std::string& state_directory, const HostName& host, const CycleRecord& record)
{
    cycle_file(state_directory, host)
        .save({{"begun_ns", record.begun_ns},
               {"ended_ns", record.ended_ns},
               {"code", record.code},
               {"error", record.error},
               {"next", record.next},
               {"success_ns", record.success_ns},
               {"snapshot", record.snapshot},
               {"created_ns", record.created_ns}});
}

void forget_cycle(const std::string& state_directory, const HostName& host)
{
    cycle_file(state_directory, host).remove();
}

} // namespace zumastor

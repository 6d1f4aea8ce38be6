// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/replica_state.h"

#include <nlohmann/json.hpp>

#include "tools/zumastor/state/received_ranges.h"
#include "tools/zumastor/state/state_file.h"

namespace zumastor {
namespace {

constexpr int kReplicaVersion = 1;

StateFile replica_file(const std::string& directory)
{
    return {directory, "replica.json", kReplicaVersion,
            "if the file cannot be repaired, remove it and receive a full stream"};
}

} // namespace

ReplicaState load_replica_state(const std::string& directory)
{
    ReplicaState state;
    replica_file(directory).load([&](const nlohmann::json& object) {
        state.lineage = object.at("lineage").get<std::string>();
        state.last = object.at("last").get<std::string>();
        state.received_ns = object.value("received_ns", std::uint64_t{0});
        state.sector_bytes = object.value("sector_bytes", std::uint64_t{0});
        if (const auto& reception = object.at("reception"); !reception.is_null()) {
            state.reception = Reception{UuidText::need(reception.at("from").get<std::string>()),
                                        UuidText::need(reception.at("to").get<std::string>()),
                                        reception.at("next_chunk").get<std::uint64_t>()};
        }
    });
    return state;
}

void save_replica_state(const std::string& directory, const ReplicaState& state)
{
    nlohmann::ordered_json reception;
    if (state.reception) {
        reception = {{"from", state.reception->from.str()},
                     {"to", state.reception->to.str()},
                     {"next_chunk", state.reception->next_chunk}};
    }
    replica_file(directory).save({{"lineage", state.lineage},
                                  {"last", state.last},
                                  {"reception", reception},
                                  {"received_ns", state.received_ns},
                                  {"sector_bytes", state.sector_bytes}});
    if (!state.reception) {
        forget_received_ranges(directory);
    }
}

} // namespace zumastor

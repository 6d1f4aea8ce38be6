// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/replica_state.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/zumastor/state/received_ranges.h"

namespace zumastor {
namespace {

constexpr int kReplicaVersion = 1;

std::string replica_file(const std::string& directory) { return directory + "/replica.json"; }

} // namespace

ReplicaState load_replica_state(const std::string& directory)
{
    const std::string path = replica_file(directory);
    const auto text = text_of(path).need();
    if (!text) {
        return {};
    }
    try {
        const auto object = nlohmann::json::parse(*text);
        if (object.at("version").get<int>() != kReplicaVersion) {
            throw Failure(Exit::failed, path + ": written by another version of zumastor");
        }
        ReplicaState state{object.at("lineage").get<std::string>(),
                           object.at("last").get<std::string>(),
                           {},
                           object.value("received_ns", std::uint64_t{0}),
                           object.value("sector_bytes", std::uint64_t{0})};
        if (const auto& reception = object.at("reception"); !reception.is_null()) {
            state.reception = Reception{UuidText::need(reception.at("from").get<std::string>()),
                                        UuidText::need(reception.at("to").get<std::string>()),
                                        reception.at("next_chunk").get<std::uint64_t>()};
        }
        return state;
    } catch (const nlohmann::json::exception& error) {
        throw Failure(Exit::failed, path + " is not understood: " + error.what(),
                      "if it cannot be mended, remove it and receive a full stream");
    }
}

void save_replica_state(const std::string& directory, const ReplicaState& state)
{
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    nlohmann::ordered_json reception;
    if (state.reception) {
        reception = {{"from", state.reception->from.str()},
                     {"to", state.reception->to.str()},
                     {"next_chunk", state.reception->next_chunk}};
    }
    const nlohmann::ordered_json object{{"version", kReplicaVersion},
                                        {"lineage", state.lineage},
                                        {"last", state.last},
                                        {"reception", reception},
                                        {"received_ns", state.received_ns},
                                        {"sector_bytes", state.sector_bytes}};
    write_text(replica_file(directory), object.dump(2) + "\n");
    if (!state.reception) {
        forget_received_ranges(directory);
    }
}

} // namespace zumastor

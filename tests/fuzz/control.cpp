// SPDX-License-Identifier: GPL-2.0
// Lines of the control socket: each that is a JSON object gets an answer, in bounded time and with "ok" in
// it.
#include <nlohmann/json.hpp>

#include "ddsnapd/daemon/control_ops.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/service_rig.h"

namespace {

using nlohmann::json;

// As in the daemon's control_server.cpp.
constexpr std::size_t kMaxLine = std::size_t{64} << 10;

void serve(zumastor::fuzz::ServiceRig& rig, ddsnap::daemon::ControlContext& context, std::string_view line)
{
    json request = json::parse(line.begin(), line.end(), nullptr, false);
    if (!request.is_object() || line.size() > kMaxLine) {
        return;
    }
    const json answer = rig.finish(rig.begin(ddsnap::daemon::control_operation(context, std::move(request))));
    const bool told = answer.is_object() && answer.contains("ok") && answer["ok"].is_boolean();
    if (!told || (!answer["ok"] && !answer.contains("error"))) {
        zumastor::fuzz::finding("an answer that says nothing");
    }
    (void)answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    zumastor::fuzz::ServiceRig rig;
    const auto zero = [] { return std::uint64_t{0}; };
    bool stopping = false;
    ddsnap::daemon::ControlContext context{rig.service(),
                                           false,
                                           "/dev/store",
                                           "/dev/origin",
                                           std::nullopt,
                                           "/run/data",
                                           rig.now(),
                                           [&rig] { return rig.now(); },
                                           [&stopping] { return stopping; },
                                           [&stopping] { stopping = true; },
                                           [] { return std::string{}; },
                                           zero,
                                           zero,
                                           {}};
    std::string_view text(reinterpret_cast<const char*>(data), size);
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        serve(rig, context, text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    rig.shut_down();
    return 0;
}

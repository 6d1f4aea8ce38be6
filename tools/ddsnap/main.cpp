// SPDX-License-Identifier: GPL-2.0
// ddsnap: the layer below zumastor, for init scripts that use dmsetup themselves.
#include <array>

#include "tools/ddsnap/commands.h"

namespace zumastor::ddsnap {
namespace {

// In the order of the manual.
constexpr std::array kCommands{
    &kInitialize,  &kServer,   &kAgent,        &kCreate, &kDelete,          &kRevert,      &kList,
    &kPriority,    &kUsecount, &kResize,       &kStatus, &kDeltaChangelist, &kDeltaCreate, &kDeltaApply,
    &kDeltaListen, &kTransmit, &kAcceptOrigin, &kDump,   &kCheck,
};

constexpr std::array kFiles{
    FileSpec{"/run/zumastor/VOL/server", "SERVERSOCK of a volume of Zumastor"},
    FileSpec{"/run/ddsnap-delta.sock", "where delta listen takes connections"},
};
constexpr ToolSpec kTool{"ddsnap", "The snapshot layer below zumastor: one daemon, one store.", kCommands,
                         nullptr, kFiles};

} // namespace
} // namespace zumastor::ddsnap

int main(int argc, char** argv) { return zumastor::run_tool(zumastor::ddsnap::kTool, argc, argv); }

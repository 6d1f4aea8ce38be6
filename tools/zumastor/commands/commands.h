// SPDX-License-Identifier: GPL-2.0
// The commands of zumastor. Each is described in the file that has it; no command calls another.
#pragma once

#include "tools/common/command_line.h"

namespace zumastor {

extern const CommandSpec kCreate;
extern const CommandSpec kDefineVolume;
extern const CommandSpec kDefineMaster;
extern const CommandSpec kDefineSchedule;
extern const CommandSpec kDefineTarget;
extern const CommandSpec kDefineSource;
extern const CommandSpec kStartVolume;
extern const CommandSpec kStartMaster;
extern const CommandSpec kStartSource;
extern const CommandSpec kStartTarget;
extern const CommandSpec kAcceptOrigin;
extern const CommandSpec kStopVolume;
extern const CommandSpec kStopMaster;
extern const CommandSpec kStopSource;
extern const CommandSpec kStopTarget;
extern const CommandSpec kForgetTarget;
extern const CommandSpec kForgetSource;
extern const CommandSpec kForgetVolume;
extern const CommandSpec kSnapshot;
extern const CommandSpec kImport;
extern const CommandSpec kRemount;
extern const CommandSpec kRevert;
extern const CommandSpec kRelease;
extern const CommandSpec kDiff;
extern const CommandSpec kSend;
extern const CommandSpec kReceive;
extern const CommandSpec kReplicate;
extern const CommandSpec kServiceDaemon;
extern const CommandSpec kServiceStart;
extern const CommandSpec kServiceStop;
extern const CommandSpec kServiceShutdown;
extern const CommandSpec kScheduledCycle;
extern const CommandSpec kScheduledSnapshot;
extern const CommandSpec kVerify;
extern const CommandSpec kPromote;
extern const CommandSpec kReverse;
extern const CommandSpec kGate;
extern const CommandSpec kResize;
extern const CommandSpec kDoctor;
extern const CommandSpec kStatus;

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
// Device-mapper, through libdevmapper: each call waits for udev, unless it is told not to, so that nodes and
// links are there (or gone) when it returns.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/known.h"

namespace zumastor::mapper {

struct Info {
    dev_t number = 0;
    int open_count = 0;
    bool read_only = false;
    bool suspended = false;
    std::string uuid;
};

// A kernel without device-mapper has no device of any name. Who may not use it cannot know.
Known<Info> ask(const std::string& name);
std::optional<Info> find(const std::string& name); // throws if that cannot be known

struct NewDevice {
    std::string name;
    std::string uuid; // "ZUMASTOR-…"; changed a little if one that was cut off still has it
    std::uint64_t sectors = 0;
    std::string parameters; // of the ddsnap target
    bool snapshot = false;  // read-only, and kept away from udev's scanning: the origin's links stay its own
};
// Whether to return only when udev has made or taken away all links of a device. Without: only
// /dev/mapper/NAME is there (or gone), the others follow when udev comes to it.
enum class Udev : std::uint8_t { awaited, later };
void create(const NewDevice& device, Udev udev = Udev::awaited);
void remove(const std::string& name, Udev udev = Udev::awaited);
// Whoever has it open gets errors from now on. It has another name afterwards, which no volume's device can
// have, and is gone when its last user is; its own name is free. Returns the other name.
std::string cut_off(const std::string& name);
// Another length for the device's one ddsnap target: loads the new table and resumes with it. I/O waits
// meanwhile, and none fails.
void resize(const NewDevice& device);
// Sectors; 0 if there is no such device. Throws if that cannot be known.
std::uint64_t length(const std::string& name);

// The target's status line, for messages; empty if there is none to be had.
std::string status(const std::string& name);
// Names of all devices that begin with `prefix`. Throws if they cannot be known.
std::vector<std::string> list(const std::string& prefix);

// Throws Exit::missing if the kernel has no ddsnap target, even after modprobe.
void require_target();
// The same as a question, without modprobe: the target's version.
Known<std::string> ask_target();

extern const std::string kUuidPrefix; // "ZUMASTOR-"

} // namespace zumastor::mapper

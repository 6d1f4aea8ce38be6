// SPDX-License-Identifier: GPL-2.0
// Volumes in files, on loop devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace zumastor::loop {

// The loop device that a file is on already; empty if none.
std::optional<std::string> find(const std::string& file);
// Puts the file on a free loop device, unless it is on one already. Returns its path.
std::string attach(const std::string& file);
// The file's length has changed: its loop device, if it is on one, gets it, too.
void refresh(const std::string& file);
// Takes the file off its loop device, if it is on one. Throws Exit::busy if that is in use. Somebody who only
// looks into the device is waited for, some seconds; should he stay, a note names him.
void detach(const std::string& file);

// Makes a new sparse file. Throws Exit::exists if there is one.
void make_sparse_file(const std::string& path, std::uint64_t bytes);

} // namespace zumastor::loop

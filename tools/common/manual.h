// SPDX-License-Identifier: GPL-2.0
// Manual pages and completions, from the table that drives the parser: so that they cannot disagree with it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/common/command_line.h"

namespace zumastor {

// The page of the tool itself, which lists its commands (TOOL.8), in man's macros.
std::string manual_page(const ToolSpec& tool);

// The page of one command (TOOL-COMMAND-WORDS.8).
std::string manual_page(const ToolSpec& tool, const CommandSpec& command);

// Writes every page into a directory that exists. Throws Failure.
void write_manual(const ToolSpec& tool, const std::string& directory);

// What the last of `words`, perhaps empty, can become; `words` are those after the tool's name.
std::vector<std::string> complete(const ToolSpec& tool, std::span<const std::string> words);

} // namespace zumastor

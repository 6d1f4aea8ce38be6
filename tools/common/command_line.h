// SPDX-License-Identifier: GPL-2.0
// One table describes a tool's commands; parser and help come from it.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/failure.h"

namespace zumastor {

struct OptionSpec {
    std::string_view names; // "-c,--chunksize"; the last one is the key for Args
    std::string_view value; // what the option takes ("SIZE"); empty: a flag
    std::string_view help;
};

// The arguments and options that a command was given.
class Args {
public:
    bool has(std::string_view name) const;
    std::optional<std::string> get(std::string_view name) const;         // its last value
    std::vector<std::string> all(std::string_view name) const;           // every value
    std::string need(std::string_view name) const { return *get(name); } // a mandatory positional

    void add(std::string_view name, std::vector<std::string> values);

private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

struct CommandSpec {
    std::string_view name;      // words: "define volume"
    std::string_view arguments; // "VOL ORIGIN [METADEV]"; [X] may be absent, [X...] may be repeated
    std::string_view summary;
    std::span<const OptionSpec> options;
    Exit (*run)(const Args&) = nullptr;
};

// What there is of an argument ("VOL") or of an option's value, given the arguments before it: for
// completion. Quick, and silent about what cannot be found out; empty: files may be meant.
using Names = std::vector<std::string> (*)(const std::string& argument, const Args& before);

struct ToolSpec {
    std::string_view name;
    std::string_view summary;
    std::span<const CommandSpec> commands;
    Names names = nullptr;
};

// What `argv` asks for. `text` is set if it is only to be printed (help, version); a usage error throws.
struct Parsed {
    const CommandSpec* command = nullptr;
    Args args;
    std::string text;
};
Parsed parse_command_line(const ToolSpec& tool, int argc, const char* const* argv);

// Parses, runs, reports failures; the value for main(). For packages and shells there are, besides the
// commands,
//   TOOL --manual DIR          writes the manual pages (manual.h)
//   TOOL --complete WORD...    prints what the last word can become
int run_tool(const ToolSpec& tool, int argc, const char* const* argv);

} // namespace zumastor

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

using Values = std::vector<std::string>;
// Puts what was given for an option or an argument into the command's own options.
using Put = void (*)(void* options, const Values& values);

struct OptionSpec {
    std::string_view names; // "-c,--chunksize"
    std::string_view value; // what the option takes ("SIZE"); empty: a flag
    std::string_view help;
    Put put = nullptr;
};

// What a command was given, by the names of its arguments and the last names of its options.
class Args {
public:
    void add(std::string_view name, Values values);
    const Values* find(std::string_view name) const; // null: not given

private:
    std::map<std::string, Values, std::less<>> values_;
};

// What a manual page has besides arguments, options and exit statuses.
struct Page {
    std::string_view description; // after the summary
    std::string_view
        examples; // lines; those that begin with "$ " are commands, others say what the next ones do
};

// Made by command() in command_table.h.
struct CommandSpec {
    std::string_view name;      // words: "define volume"
    std::string_view arguments; // "VOL ORIGIN [METADEV]"; [X] may be absent, [X...] may be repeated
    std::string_view summary;
    std::span<const OptionSpec> options;
    std::span<const Put> argument_puts; // one for each argument
    Exit (*run)(const CommandSpec& spec, const Args& given) = nullptr;
    Page page{};
};

// What there is of an argument ("VOL") or of an option's value, given the volume or the like that the first
// argument names (empty: it is still to be typed): for completion. Quick, and silent about what cannot be
// found out; empty: files may be meant.
using Names = std::vector<std::string> (*)(const std::string& argument, const std::string& first);

// A file, or several of a pattern, that a tool is about: for its manual pages.
struct FileSpec {
    std::string_view path;
    std::string_view what;
};

struct ToolSpec {
    std::string_view name;
    std::string_view summary;
    std::span<const CommandSpec* const> commands;
    Names names = nullptr;
    std::span<const FileSpec> files{};
};

// What `argv` asks for. `text` is set if it is only to be printed (help, version); a usage error throws.
struct Parsed {
    const CommandSpec* command = nullptr;
    Args args;
    std::string text;
};
Parsed parse_command_line(const ToolSpec& tool, int argc, const char* const* argv);

// Puts what was given into the options that the spec's functions are for.
void fill_options(const CommandSpec& spec, const Args& given, void* options);

// Parses, runs, reports failures; the value for main(). For packages and shells there are, besides commands,
//   TOOL --manual DIR          writes the manual pages (manual.h)
//   TOOL --complete WORD...    prints what the last word can become
int run_tool(const ToolSpec& tool, int argc, const char* const* argv);

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
#include "tools/common/manual.h"

#include <algorithm>
#include <array>

#include "tools/common/process.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

struct ExitStatus {
    Exit code;
    std::string_view meaning;
};
constexpr std::array kExitStatuses{
    ExitStatus{Exit::ok, "Success."},
    ExitStatus{Exit::failed, "Failure; the message says why, and what to do next."},
    ExitStatus{Exit::usage, "The command is not understood, or does not apply here."},
    ExitStatus{Exit::partly, "Done in part: the messages say what is missing."},
    ExitStatus{Exit::not_found, "The object does not exist."},
    ExitStatus{Exit::exists, "The object exists already."},
    ExitStatus{Exit::busy, "The object is in use."},
    ExitStatus{Exit::store_full, "The snapshot store is full."},
    ExitStatus{Exit::peer_unreachable, "The other host cannot be reached, or the connection broke."},
    ExitStatus{Exit::mismatch, "Contents or identities differ."},
    ExitStatus{Exit::missing, "The kernel module, the daemon, or a program such as ssh is missing."},
    ExitStatus{Exit::interrupted, "Interrupted; what was begun is undone."},
};

// Text for troff: a backslash, and a dot or an apostrophe at a line's beginning, mean something to it; a
// hyphen is to be one that can be copied.
std::string escaped(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
            out += "\\&";
            out += c;
        } else {
            out += c;
        }
    }
    return out;
}

std::string page_name(const ToolSpec& tool, const CommandSpec& command)
{
    std::string name = std::string(tool.name) + "-" + std::string(command.name);
    std::replace(name.begin(), name.end(), ' ', '-');
    return name;
}

std::string upper(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return text;
}

// A summary as a name section has it: no capital, no full stop.
std::string as_phrase(std::string_view summary)
{
    std::string text(summary);
    if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
        text[0] = static_cast<char>(text[0] - 'A' + 'a');
    }
    if (text.ends_with('.')) {
        text.pop_back();
    }
    return text;
}

std::string head(const std::string& name, std::string_view summary)
{
    return ".TH " + upper(escaped(name)) +
           " 8 \"\" \"Zumastor " ZUMASTOR_VERSION "\" \"Zumastor\"\n.SH NAME\n" + escaped(name) + " \\- " +
           escaped(as_phrase(summary)) + "\n";
}

// "VOL [SNAP]": what is typed as it is in bold, what stands for something in italics.
std::string synopsis(const ToolSpec& tool, const CommandSpec& command)
{
    std::string text = ".SH SYNOPSIS\n.B " + escaped(tool.name) + " " + escaped(command.name) + "\n";
    if (!command.options.empty()) {
        text += ".RI [ options ]\n";
    }
    for (const std::string& word : split(command.arguments, ' ')) {
        text += ".I " + escaped(word) + "\n";
    }
    return text;
}

std::string options_section(std::span<const OptionSpec> options)
{
    if (options.empty()) {
        return {};
    }
    std::string text = ".SH OPTIONS\n";
    for (const OptionSpec& option : options) {
        std::string names;
        for (const std::string& name : split(option.names, ',')) {
            names += (names.empty() ? "\\fB" : ", \\fB") + escaped(name) + "\\fR";
        }
        if (!option.value.empty()) {
            names += " \\fI" + escaped(option.value) + "\\fR";
        }
        text += ".TP\n" + names + "\n" + escaped(option.help) + "\n";
    }
    return text;
}

// Text as it is: commands bold, each on a line of its own.
std::string examples_section(const Page& page)
{
    if (page.examples.empty()) {
        return {};
    }
    std::string text = ".SH EXAMPLES\n";
    for (const std::string& line : split(page.examples, '\n')) {
        text += line.starts_with("$ ") ? ".PP\n.RS 4\n.B " + escaped(line.substr(2)) + "\n.RE\n"
                                       : ".PP\n" + escaped(line) + "\n";
    }
    return text;
}

std::string files_section(const ToolSpec& tool)
{
    if (tool.files.empty()) {
        return {};
    }
    std::string text = ".SH FILES\n";
    for (const FileSpec& file : tool.files) {
        text += ".TP\n.I " + escaped(file.path) + "\n" + escaped(file.what) + "\n";
    }
    return text;
}

std::string exit_section()
{
    std::string text = ".SH EXIT STATUS\n";
    for (const ExitStatus& status : kExitStatuses) {
        text += ".TP\n.B " + std::to_string(static_cast<int>(status.code)) + "\n" + escaped(status.meaning) +
                "\n";
    }
    return text;
}

std::string first_word(std::string_view name) { return split(name, ' ').front(); }

// Those of the same verb, and the tool's own page.
std::string see_also(const ToolSpec& tool, const CommandSpec& command)
{
    std::string text = ".SH SEE ALSO\n.BR " + escaped(tool.name) + " (8)";
    for (const CommandSpec* other : tool.commands) {
        if (other != &command && first_word(other->name) == first_word(command.name)) {
            text += ",\n.BR " + escaped(page_name(tool, *other)) + " (8)";
        }
    }
    return text + "\n";
}

std::vector<std::string> beginning_with(std::vector<std::string> candidates, const std::string& begin)
{
    std::erase_if(candidates, [&](const std::string& candidate) { return !candidate.starts_with(begin); });
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    return candidates;
}

// The command that the words begin with, if they name one in full; how many words that takes.
const CommandSpec* find_command(const ToolSpec& tool, std::span<const std::string> words, std::size_t& used)
{
    for (const CommandSpec* command : tool.commands) {
        const std::vector<std::string> name = split(command->name, ' ');
        if (words.size() >= name.size() && std::equal(name.begin(), name.end(), words.begin())) {
            used = name.size();
            return command;
        }
    }
    return nullptr;
}

const OptionSpec* find_option(const CommandSpec& command, const std::string& word)
{
    for (const OptionSpec& option : command.options) {
        const std::vector<std::string> names = split(option.names, ',');
        if (std::find(names.begin(), names.end(), word) != names.end()) {
            return &option;
        }
    }
    return nullptr;
}

// "[SNAP...]" → "SNAP"
std::string bare(std::string word)
{
    std::erase_if(word, [](char c) { return c == '[' || c == ']' || c == '.'; });
    return word;
}

std::vector<std::string> next_words(const ToolSpec& tool, std::span<const std::string> before)
{
    std::vector<std::string> found;
    for (const CommandSpec* command : tool.commands) {
        const std::vector<std::string> name = split(command->name, ' ');
        if (name.size() > before.size() && std::equal(before.begin(), before.end(), name.begin())) {
            found.push_back(name[before.size()]);
        }
    }
    return found;
}

std::vector<std::string> option_names(const CommandSpec& command)
{
    std::vector<std::string> options{"--help"};
    for (const OptionSpec& option : command.options) {
        for (const std::string& name : split(option.names, ',')) {
            options.push_back(name);
        }
    }
    return options;
}

// What comes after some words of a command.
struct Place {
    std::string argument;   // its name; empty: nothing more
    bool of_option = false; // ... is the value of one
    std::string first;      // the command's first argument; empty: it is still to come
};

Place find_place(const CommandSpec& command, std::span<const std::string> words)
{
    Place place;
    const std::vector<std::string> wanted = split(command.arguments, ' ');
    std::size_t at = 0;
    const OptionSpec* open = nullptr; // waits for its value
    for (const std::string& word : words) {
        if (open != nullptr) {
            open = nullptr;
        } else if (word.starts_with("-")) {
            const OptionSpec* option = find_option(command, word);
            open = option != nullptr && !option->value.empty() ? option : nullptr;
        } else if (at < wanted.size()) {
            if (at == 0) {
                place.first = word;
            }
            at += wanted[at].find("...") == std::string::npos ? 1u : 0u; // else more of them may follow
        }
    }
    place.of_option = open != nullptr;
    if (open != nullptr) {
        place.argument = open->value;
    } else if (at < wanted.size()) {
        place.argument = bare(wanted[at]);
    }
    return place;
}

} // namespace

std::string manual_page(const ToolSpec& tool)
{
    std::string text = head(std::string(tool.name), tool.summary);
    text += ".SH SYNOPSIS\n.B " + escaped(tool.name) + "\n.I COMMAND\n.RI [ options ]\n.I ARGUMENTS\n";
    text += ".SH DESCRIPTION\n" + escaped(tool.summary) + "\n.SH COMMANDS\n";
    for (const CommandSpec* command : tool.commands) {
        text += ".TP\n\\fB" + escaped(command->name) + "\\fR \\fI" + escaped(command->arguments) + "\\fR\n" +
                escaped(command->summary) + " See \\fB" + escaped(page_name(tool, *command)) + "\\fR(8).\n";
    }
    return text + files_section(tool) + exit_section();
}

std::string manual_page(const ToolSpec& tool, const CommandSpec& command)
{
    return head(page_name(tool, command), command.summary) + synopsis(tool, command) + ".SH DESCRIPTION\n" +
           escaped(command.summary) + "\n" +
           (command.page.description.empty() ? "" : ".PP\n" + escaped(command.page.description) + "\n") +
           options_section(command.options) + examples_section(command.page) + files_section(tool) +
           exit_section() + see_also(tool, command);
}

void write_manual(const ToolSpec& tool, const std::string& directory)
{
    write_text(directory + "/" + std::string(tool.name) + ".8", manual_page(tool));
    for (const CommandSpec* command : tool.commands) {
        write_text(directory + "/" + page_name(tool, *command) + ".8", manual_page(tool, *command));
    }
}

std::vector<std::string> complete(const ToolSpec& tool, std::span<const std::string> words)
{
    const std::string last = words.empty() ? "" : words.back();
    const auto before = words.first(words.empty() ? 0 : words.size() - 1);
    std::size_t used = 0;
    const CommandSpec* command = find_command(tool, before, used);
    if (command == nullptr) {
        return beginning_with(next_words(tool, before), last);
    }
    const Place place = find_place(*command, before.subspan(used));
    if (!place.of_option && last.starts_with("-")) {
        return beginning_with(option_names(*command), last);
    }
    if (tool.names == nullptr || place.argument.empty()) {
        return {};
    }
    return beginning_with(tool.names(place.argument, place.first), last);
}

} // namespace zumastor

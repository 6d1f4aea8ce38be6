// SPDX-License-Identifier: GPL-2.0
// The only file that knows CLI11.
#include "tools/common/command_line.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "tools/common/manual.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

// Where CLI11 puts the values of one command.
struct Bound {
    const CommandSpec* spec = nullptr;
    CLI::App* app = nullptr;
    std::vector<std::string> arguments;
    std::map<std::string, Values, std::less<>> values; // of options
    std::map<std::string, CLI::Option*, std::less<>> options;
};

// One word of CommandSpec::arguments.
struct Argument {
    std::string name;
    bool optional = false;
    bool repeated = false;
};

// Writes the arguments as the table has them.
class UsageFormatter final : public CLI::Formatter {
public:
    std::map<const CLI::App*, std::string> arguments;

    std::string make_usage(const CLI::App* app, std::string name) const override
    {
        const auto found = arguments.find(app);
        if (found == arguments.end()) {
            return CLI::Formatter::make_usage(app, name);
        }
        return "Usage: " + name + " [OPTIONS] " + found->second + "\n";
    }
};

std::string key_of(std::string_view names) { return split(names, ',').back(); }

void bind_option(Bound& bound, const OptionSpec& spec)
{
    const std::string key = key_of(spec.names);
    if (spec.value.empty()) {
        bound.options[key] =
            bound.app->add_flag(std::string(spec.names))->description(std::string(spec.help));
        return;
    }
    CLI::Option* option =
        bound.app->add_option(std::string(spec.names), bound.values[key], std::string(spec.help));
    option->type_name(std::string(spec.value))->type_size(1)->expected(1)->allow_extra_args(false);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    bound.options[key] = option;
}

std::vector<Argument> arguments_of(const CommandSpec& spec)
{
    std::vector<Argument> arguments;
    for (std::string word : split(spec.arguments, ' ')) {
        Argument argument;
        argument.optional = word.front() == '[';
        if (argument.optional) {
            word = word.substr(1, word.find_last_not_of(']'));
        }
        argument.repeated = word.ends_with("...");
        argument.name = argument.repeated ? word.substr(0, word.size() - 3) : word;
        arguments.push_back(std::move(argument));
    }
    return arguments;
}

// Those that must be there are given first; what is left goes to the optional ones from left to right.
void distribute(const Bound& bound, Args& args, const Failure& usage)
{
    const std::vector<Argument> wanted = arguments_of(*bound.spec);
    auto missing = static_cast<std::size_t>(
        std::count_if(wanted.begin(), wanted.end(), [](const Argument& a) { return !a.optional; }));
    auto next = bound.arguments.begin();
    const auto left = [&] { return static_cast<std::size_t>(bound.arguments.end() - next); };
    for (const Argument& argument : wanted) {
        missing -= argument.optional ? 0 : 1;
        if (argument.optional && left() <= missing) {
            continue;
        }
        if (left() == 0) {
            throw Failure(Exit::usage, argument.name + " is missing", usage.next());
        }
        const auto end =
            argument.repeated ? bound.arguments.end() - static_cast<std::ptrdiff_t>(missing) : next + 1;
        args.add(argument.name, {next, end});
        next = end;
    }
    if (left() != 0) {
        throw Failure(Exit::usage, "unexpected argument '" + *next + "'", usage.next());
    }
}

void bind_command(Bound& bound)
{
    bool short_h = false;
    for (const OptionSpec& option : bound.spec->options) {
        short_h = short_h || option.names.starts_with("-h,");
    }
    bound.app->set_help_flag(short_h ? "--help" : "-h,--help", "print this text and exit");
    bound.app->add_option("ARGUMENTS", bound.arguments)->group("");
    for (const OptionSpec& option : bound.spec->options) {
        bind_option(bound, option);
    }
}

CLI::App* find_subcommand(CLI::App& app, const std::string& name)
{
    for (CLI::App* candidate : app.get_subcommands({})) {
        if (candidate->get_name() == name) {
            return candidate;
        }
    }
    return nullptr;
}

// "define volume" lives in the sub-command "volume" of the sub-command "define".
CLI::App* subcommand_for(CLI::App& root, const CommandSpec& spec)
{
    CLI::App* app = &root;
    const std::vector<std::string> words = split(spec.name, ' ');
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool last = i + 1 == words.size();
        CLI::App* next = find_subcommand(*app, words[i]);
        if (next == nullptr) {
            next = app->add_subcommand(words[i], last ? std::string(spec.summary) : "");
            if (!last) {
                next->require_subcommand(1);
                next->set_help_flag("-h,--help", "print this text and exit");
            }
        }
        app = next;
    }
    return app;
}

// A group ("define") has no summary of its own: it lists what it leads to.
void describe_groups(CLI::App& root)
{
    for (CLI::App* app : root.get_subcommands({})) {
        std::vector<std::string> names;
        for (const CLI::App* sub : app->get_subcommands({})) {
            names.push_back(sub->get_name());
        }
        if (!names.empty()) {
            app->description(join(names, ", "));
        }
    }
}

Args collect(const Bound& bound)
{
    Args args;
    for (const auto& [key, option] : bound.options) {
        if (option->count() > 0) {
            const auto values = bound.values.find(key);
            args.add(key, values == bound.values.end() ? Values{} : values->second);
        }
    }
    return args;
}

Failure usage_failure(const ToolSpec& tool, const std::string& what, const CLI::App& root)
{
    std::string command(tool.name);
    const CLI::App* app = &root;
    while (!app->get_subcommands().empty()) {
        app = app->get_subcommands().front();
        command += " " + app->get_name();
    }
    return Failure(Exit::usage, what, "see: " + command + " --help");
}

Failure unknown_command(const std::string& group, const std::string& word)
{
    return Failure(Exit::usage, group + " has no command '" + word + "'", "see: " + group + " --help");
}

// CLI11 would only say that a command is missing.
void refuse_unknown_command(const ToolSpec& tool, CLI::App& root, std::span<const char* const> words)
{
    CLI::App* app = &root;
    std::string so_far(tool.name);
    for (const std::string word : words) {
        if (word.starts_with("-") || app->get_subcommands({}).empty()) {
            return;
        }
        app = find_subcommand(*app, word);
        if (app == nullptr) {
            throw unknown_command(so_far, word);
        }
        so_far.append(" ").append(word);
    }
}

// The command that the first words name; null if they name none, or only a part of one.
const CommandSpec* command_of(const ToolSpec& tool, std::span<const char* const> words)
{
    const CommandSpec* found = nullptr;
    for (const CommandSpec* spec : tool.commands) {
        const std::vector<std::string> name = split(spec->name, ' ');
        const bool longer = found == nullptr || spec->name.size() > found->name.size();
        if (longer && name.size() <= words.size() && std::equal(name.begin(), name.end(), words.begin())) {
            found = spec;
        }
    }
    return found;
}

} // namespace

const Values* Args::find(std::string_view name) const
{
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
}

void Args::add(std::string_view name, Values values)
{
    values_.insert_or_assign(std::string(name), std::move(values));
}

void fill_options(const CommandSpec& spec, const Args& given, void* options)
{
    for (const OptionSpec& option : spec.options) {
        if (const Values* values = given.find(key_of(option.names))) {
            option.put(options, *values);
        }
    }
    const std::vector<Argument> arguments = arguments_of(spec);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const Values* values = given.find(arguments[i].name);
        if (values != nullptr && !values->empty()) {
            spec.argument_puts[i](options, *values);
        }
    }
}

Parsed parse_command_line(const ToolSpec& tool, int argc, const char* const* argv)
{
    CLI::App root{std::string(tool.summary), std::string(tool.name)};
    root.set_help_flag("-h,--help", "print this text and exit");
    root.set_version_flag("--version", std::string(tool.name) + " " + ZUMASTOR_VERSION);
    root.require_subcommand(1);
    const auto formatter = std::make_shared<UsageFormatter>();
    root.formatter(formatter); // sub-commands inherit it
    std::vector<std::unique_ptr<Bound>> commands;
    const auto words = std::span(argv, static_cast<std::size_t>(argc)).subspan(1);
    const CommandSpec* const asked = command_of(tool, words);
    for (const CommandSpec* spec : tool.commands) {
        if (asked != nullptr && spec != asked) {
            continue; // describing all the others to CLI11 took longer than most commands take
        }
        auto bound = std::make_unique<Bound>();
        bound->spec = spec;
        bound->app = subcommand_for(root, *spec);
        bind_command(*bound);
        formatter->arguments[bound->app] = std::string(spec->arguments);
        commands.push_back(std::move(bound));
    }
    describe_groups(root);
    refuse_unknown_command(tool, root, words);
    Parsed parsed;
    try {
        root.parse(argc, argv);
    } catch (const CLI::CallForVersion& version) {
        parsed.text = std::string(version.what()) + "\n";
        return parsed;
    } catch (const CLI::CallForHelp&) {
        parsed.text = root.help();
        return parsed;
    } catch (const CLI::ParseError& error) {
        throw usage_failure(tool, error.what(), root);
    }
    for (const auto& bound : commands) {
        if (bound->app->parsed()) {
            parsed.command = bound->spec;
            parsed.args = collect(*bound);
            distribute(*bound, parsed.args, usage_failure(tool, "", root));
        }
    }
    return parsed;
}

namespace {

// For packages and shells; false if it is none of these.
bool serve_packaging(const ToolSpec& tool, std::span<const char* const> words)
{
    const std::string_view first = words.empty() ? "" : words.front();
    if (first == "--manual" && words.size() == 2) {
        write_manual(tool, words[1]);
        return true;
    }
    if (first == "--complete") {
        const std::vector<std::string> typed(words.begin() + 1, words.end());
        for (const std::string& candidate : complete(tool, typed)) {
            std::puts(candidate.c_str());
        }
        return true;
    }
    return false;
}

} // namespace

int run_tool(const ToolSpec& tool, int argc, const char* const* argv)
{
    set_program_name(std::string(tool.name));
    try {
        if (serve_packaging(tool, std::span(argv, static_cast<std::size_t>(argc)).subspan(1))) {
            return 0;
        }
        const Parsed parsed = parse_command_line(tool, argc, argv);
        if (parsed.command == nullptr) {
            std::fputs(parsed.text.c_str(), stdout);
            return 0;
        }
        catch_interrupts();
        return static_cast<int>(parsed.command->run(*parsed.command, parsed.args));
    } catch (const Failure& failure) {
        report(failure.what(), failure.next());
        return static_cast<int>(failure.code());
    } catch (const std::exception& error) {
        report(std::string("unexpected: ") + error.what());
        return static_cast<int>(Exit::failed);
    }
}

} // namespace zumastor

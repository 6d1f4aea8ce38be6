// SPDX-License-Identifier: GPL-2.0
// What a command's table is made of. Each command has a struct of its own for what it is given; the table
// says where each argument and option goes, so that a mistyped one, or one that another command has, does not
// compile:
//
//   struct Send {
//       std::string volume;
//       std::optional<std::string> snapshot;
//       bool full = false;
//       bool dry_run = false;
//   };
//   constexpr auto kOptions = option_table<Send>(flag<&Send::full>("--full", "send everything"), …);
//   Exit send(const Send& send);
//   constexpr CommandSpec kSend =
//       command<send>("send", arguments<&Send::volume, &Send::snapshot>("VOL [SNAP]"), "Write a snapshot.",
//       kOptions);
//
// Members of a base are as good: options that several commands have are members of one struct, and each is
// described once. Several in one std::tuple are a group of them.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "tools/common/command_line.h"

namespace zumastor {

// ---- where values go -------------------------------------------------------------------------

inline void assign(bool& to, const Values& /*none*/) { to = true; }
inline void assign(std::string& to, const Values& values) { to = values.back(); }
inline void assign(std::optional<std::string>& to, const Values& values) { to = values.back(); }
inline void assign(std::vector<std::string>& to, const Values& values) { to = values; }

template <class Options, auto Member>
void put_into(void* options, const Values& values)
{
    assign(static_cast<Options*>(options)->*Member, values);
}

template <class Member>
struct TypeOfMember;
template <class Type, class Owner>
struct TypeOfMember<Type Owner::*> {
    using type = Type;
};
template <auto Member>
using MemberType = typename TypeOfMember<decltype(Member)>::type;

// ---- options ----------------------------------------------------------------------------------

template <auto Member>
struct Option {
    std::string_view names;
    std::string_view value;
    std::string_view help;
};

template <auto Member>
constexpr Option<Member> flag(std::string_view names, std::string_view help)
{
    static_assert(std::is_same_v<MemberType<Member>, bool>);
    return {names, "", help};
}

template <auto Member>
constexpr Option<Member> value(std::string_view names, std::string_view what, std::string_view help)
{
    static_assert(!std::is_same_v<MemberType<Member>, bool>);
    return {names, what, help};
}

template <class Options, std::size_t N>
struct OptionTable {
    std::array<OptionSpec, N> specs;
};

template <auto Member>
constexpr std::tuple<Option<Member>> as_group(const Option<Member>& one)
{
    return {one};
}
template <class... Members>
constexpr std::tuple<Members...> as_group(const std::tuple<Members...>& group)
{
    return group;
}

template <class Options, auto... Members>
constexpr OptionTable<Options, sizeof...(Members)> table_of(const Option<Members>&... options)
{
    return {{OptionSpec{options.names, options.value, options.help, &put_into<Options, Members>}...}};
}

template <class Options, class... Parts>
constexpr auto option_table(const Parts&... parts)
{
    return std::apply([](const auto&... options) { return table_of<Options>(options...); },
                      std::tuple_cat(as_group(parts)...));
}

// ---- arguments --------------------------------------------------------------------------------

template <auto... Members>
struct Arguments {
    std::string_view words;
};

template <class Type>
constexpr bool kMayBeAbsent = !std::is_same_v<Type, std::string>;

// As CommandSpec::arguments. A word in brackets goes to an optional or a vector, any other to a string or a
// vector.
template <auto... Members>
constexpr Arguments<Members...> arguments(std::string_view words)
{
    constexpr std::size_t kCount = sizeof...(Members);
    const std::array<bool, kCount + 1> may_be_absent{kMayBeAbsent<MemberType<Members>>..., false};
    const std::array<bool, kCount + 1> many{std::is_same_v<MemberType<Members>, std::vector<std::string>>...,
                                            false};
    std::size_t at = 0;
    for (std::string_view rest = words; !rest.empty(); ++at) {
        const std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(word.size() == rest.size() ? word.size() : word.size() + 1);
        const bool repeated = word.find("...") != std::string_view::npos;
        const bool absent = word.front() == '[';
        if (at == kCount || many[at] != repeated || (!repeated && may_be_absent[at] != absent)) {
            throw "an argument's word does not go with its member";
        }
    }
    if (at != kCount) {
        throw "there are more members than words";
    }
    return {words};
}

// ---- commands ---------------------------------------------------------------------------------

template <class Function>
struct OptionsOf;
template <class Options>
struct OptionsOf<Exit (*)(const Options&)> {
    using type = Options;
};

template <class Options, auto... Members>
inline constexpr std::array<Put, sizeof...(Members)> kPuts{&put_into<Options, Members>...};

template <auto Run>
Exit run_with_options(const CommandSpec& spec, const Args& given)
{
    typename OptionsOf<decltype(Run)>::type options;
    fill_options(spec, given, &options);
    return Run(options);
}

// `options` lives as long as the command.
template <auto Run, auto... Members, std::size_t N>
constexpr CommandSpec
command(std::string_view name, Arguments<Members...> arguments, std::string_view summary,
        const OptionTable<typename OptionsOf<decltype(Run)>::type, N>& options, const Page& page = {})
{
    using Options = typename OptionsOf<decltype(Run)>::type;
    return {name, arguments.words, summary, options.specs, kPuts<Options, Members...>, &run_with_options<Run>,
            page};
}

template <auto Run, auto... Members>
constexpr CommandSpec command(std::string_view name, Arguments<Members...> arguments,
                              std::string_view summary, const Page& page = {})
{
    using Options = typename OptionsOf<decltype(Run)>::type;
    return {name, arguments.words, summary, {}, kPuts<Options, Members...>, &run_with_options<Run>, page};
}

} // namespace zumastor

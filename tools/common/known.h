// SPDX-License-Identifier: GPL-2.0
// What was asked of the kernel, a daemon, a directory or a file has three answers: it is there, it is not
// there, or that cannot be known, with the reason. Who gets a Known has to say what happens in the third
// case: need() throws the reason, for those who act on the answer; is_unknown() and why() are for those who
// show it. "May not be asked" never becomes "is not there": there is no conversion.
#pragma once

#include <sys/stat.h>

#include <concepts>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tools/common/failure.h"

namespace zumastor {

template <class T>
class [[nodiscard]] Known {
public:
    static Known there(T value) { return Known(std::move(value)); }
    static Known absent() { return Known(std::monostate{}); }
    static Known unknown(Failure why) { return Known(std::move(why)); }

    // It, or nothing if it is not there. Throws why that cannot be known.
    std::optional<T> need() &&
    {
        refuse_unknown();
        return is_there() ? std::optional<T>(std::get<T>(std::move(answer_))) : std::nullopt;
    }
    std::optional<T> need() const& requires std::copy_constructible<T>
    {
        refuse_unknown();
        return is_there() ? std::optional<T>(std::get<T>(answer_)) : std::nullopt;
    }

    bool is_there() const noexcept { return std::holds_alternative<T>(answer_); }
    bool is_unknown() const noexcept { return std::holds_alternative<Failure>(answer_); }
    const T& value() const { return std::get<T>(answer_); }           // if it is there
    const Failure& why() const { return std::get<Failure>(answer_); } // if it is unknown

private:
    template <class Answer>
    explicit Known(Answer answer) : answer_(std::move(answer))
    {}
    void refuse_unknown() const
    {
        if (is_unknown()) {
            throw Failure(why());
        }
    }

    std::variant<std::monostate, T, Failure> answer_;
};

// "WHAT: strerror(NUMBER)"; and that root may ask, if it is that.
Failure cannot_be_known(const std::string& what, int number);

// A file of any kind; links are followed.
Known<struct stat> look_at(const std::string& path);
// The same, but a link itself, wherever it leads.
Known<struct stat> look_at_link(const std::string& path);
// The content of a (small) file. A link to nowhere, as of a disk that is not mounted, is no proof that there
// is none.
Known<std::string> text_of(const std::string& path);
// What is in a directory, in no order; the same holds.
Known<std::vector<std::filesystem::path>> entries_of(const std::string& directory);

// Afterwards it is not there. Throws.
void remove_file(const std::string& path);

} // namespace zumastor

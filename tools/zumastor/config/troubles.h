// SPDX-License-Identifier: GPL-2.0
// What went wrong beside the main job, which is done nevertheless: the command says it and ends with
// Exit::partly.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "tools/common/failure.h"

namespace zumastor {

using Troubles = std::vector<std::string>;

// Runs a step that what follows does not rest on. An interrupt ends everything all the same.
template <class Step>
void attempt(Troubles& troubles, const std::string& what, const Step& step)
{
    try {
        step();
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        troubles.push_back(what + ": " + failure.what() +
                           (failure.next().empty() ? "" : "; " + failure.next()));
    } catch (const std::exception& error) {
        troubles.push_back(what + ": " + error.what());
    }
}

// Prints them; Exit::partly if there are any.
inline Exit conclude(const Troubles& troubles)
{
    for (const std::string& trouble : troubles) {
        report(trouble);
    }
    return troubles.empty() ? Exit::ok : Exit::partly;
}

} // namespace zumastor

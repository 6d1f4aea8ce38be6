// SPDX-License-Identifier: GPL-2.0
#include "sim/content.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace sim {

Stamp Content::value(std::uint64_t sector) const
{
    const auto it = writes_.find(sector);
    if (it != writes_.end()) {
        for (auto write = it->second.rbegin(); write != it->second.rend(); ++write) {
            if (write->state == State::done) {
                return write->stamp;
            }
        }
    }
    return durable_[sector];
}

Content Content::freeze() const
{
    Content copy(sectors());
    copy.durable_ = durable_;
    for (const auto& [sector, history] : writes_) {
        copy.durable_[sector] = value(sector);
        // What a dead writer left open stays open in the snapshot until somebody looks.
        bool open = false;
        for (const Write& write : history) {
            open = write.state == State::done ? false : open || write.state != State::under_way;
        }
        if (open) {
            History& kept = copy.writes_[sector];
            for (const Write& write : history) {
                if (write.state == State::done) {
                    kept.clear();
                } else if (write.state != State::under_way) {
                    kept.push_back(write);
                }
            }
        }
    }
    return copy;
}

void Content::truncate(std::uint64_t sectors)
{
    durable_.resize(sectors);
    writes_.erase(writes_.lower_bound(sectors), writes_.end());
    completed_.erase(completed_.lower_bound(sectors), completed_.end());
}

void Content::overwrite(std::uint64_t sector, Stamp stamp)
{
    durable_[sector] = stamp;
    writes_.erase(sector);
    completed_[sector] = ++clock_;
}

void Content::write_started(std::uint64_t first, std::uint64_t count, Stamp stamp)
{
    for (std::uint64_t sector = first; sector < first + count; ++sector) {
        writes_[sector].push_back({stamp, State::under_way, 0});
    }
}

template <class Function>
void Content::change(std::uint64_t first, std::uint64_t count, Stamp stamp, Function function)
{
    for (std::uint64_t sector = first; sector < first + count; ++sector) {
        for (Write& write : writes_[sector]) {
            if (write.state == State::under_way && write.stamp == stamp) {
                function(write);
            }
        }
    }
}

void Content::write_done(std::uint64_t first, std::uint64_t count, Stamp stamp)
{
    ++clock_;
    change(first, count, stamp, [this](Write& write) {
        write.state = State::done;
        write.when = clock_;
    });
    for (std::uint64_t sector = first; sector < first + count; ++sector) {
        completed_[sector] = clock_;
    }
}

bool Content::written_since(std::uint64_t sector, std::uint64_t since) const
{
    const auto it = completed_.find(sector);
    return it != completed_.end() && it->second > since;
}

void Content::write_lost(std::uint64_t first, std::uint64_t count, Stamp stamp)
{
    change(first, count, stamp, [](Write& write) { write.state = State::lost; });
    // From now on it has been executed or it never will be. A read that began before may have seen either,
    // and decides nothing: see written_since().
    ++clock_;
    for (std::uint64_t sector = first; sector < first + count; ++sector) {
        completed_[sector] = clock_;
    }
}

void Content::flush_done(std::uint64_t started)
{
    for (auto it = writes_.begin(); it != writes_.end();) {
        History& history = it->second;
        auto last = history.end();
        for (auto write = history.begin(); write != history.end(); ++write) {
            if (write->state == State::done && write->when <= started) {
                last = write;
            }
        }
        if (last != history.end()) {
            durable_[it->first] = last->stamp;
            history.erase(history.begin(), last + 1);
        }
        it = history.empty() ? writes_.erase(it) : std::next(it);
    }
}

void Content::power_cut()
{
    for (auto& [sector, history] : writes_) {
        for (Write& write : history) {
            write.state = State::cut;
        }
    }
}

bool Content::allowed(std::uint64_t sector, Stamp seen) const
{
    const auto it = writes_.find(sector);
    if (it == writes_.end()) {
        return durable_[sector] == seen;
    }
    // From the newest write back to the newest one that has certainly been executed.
    for (auto write = it->second.rbegin(); write != it->second.rend(); ++write) {
        if (write->stamp == seen) {
            return true;
        }
        if (write->state == State::done) {
            return false;
        }
    }
    return durable_[sector] == seen;
}

void Content::observe(std::uint64_t sector, Stamp seen, bool quiet)
{
    const auto it = writes_.find(sector);
    if (it == writes_.end()) {
        return;
    }
    History& history = it->second;
    const auto is = [](State state) { return [state](const Write& write) { return write.state == state; }; };
    if (std::all_of(history.begin(), history.end(), is(State::cut))) {
        durable_[sector] = seen; // it was read back after the cut: it is on the medium
        writes_.erase(it);
        return;
    }
    if (!quiet || std::any_of(history.begin(), history.end(), is(State::under_way)) ||
        std::none_of(history.begin(), history.end(), is(State::lost))) {
        return;
    }
    const bool changed = value(sector) != seen;
    std::erase_if(history, is(State::lost));
    if (changed) {
        history.push_back({seen, State::done, ++clock_});
    }
    if (history.empty()) {
        writes_.erase(it);
    }
}

std::optional<Stamp> Content::known(std::uint64_t sector) const
{
    const auto it = writes_.find(sector);
    const bool open =
        it != writes_.end() && std::any_of(it->second.begin(), it->second.end(),
                                           [](const Write& write) { return write.state != State::done; });
    return open ? std::nullopt : std::optional(value(sector));
}

std::string Content::expectation(std::uint64_t sector) const
{
    const auto it = writes_.find(sector);
    std::string text = describe(value(sector));
    if (it != writes_.end()) {
        for (const Write& write : it->second) {
            if (write.state != State::done && allowed(sector, write.stamp)) {
                text += fmt::format(" or {}", describe(write.stamp));
            }
        }
    }
    return text;
}

} // namespace sim

// SPDX-License-Identifier: GPL-2.0
// What coroutines of the service wait for, and when they go on.
//
// Invariant: everything that an event may set free (a lock, the barrier, a place in a queue) is noted with
// Signal::raise() and resumed by run_pending(), which runs once at the end of every entry from outside and of
// every operation, never nested: so no coroutine is resumed while a loop over the sessions is under way.
//
// May call: Reactions, from run_pending() only.
#pragma once

#include <cstdint>

#include "snapstore/task.h"

namespace ddsnap {

// A condition that coroutines wait for in a loop.
class Signal {
public:
    snapstore::WaitQueue::Waiter wait() noexcept { return queue_.wait(); }
    void raise() noexcept { raised_ = true; }
    // True if it was raised.
    bool deliver()
    {
        if (!raised_) {
            return false;
        }
        raised_ = false;
        queue_.wake_all();
        return true;
    }

private:
    snapstore::WaitQueue queue_;
    bool raised_ = false;
};

// What run_pending() does besides resuming coroutines.
class Reactions {
public:
    virtual void announce_state() = 0;   // state_dirty was set
    virtual void release_squashed() = 0; // release_dirty was set

protected:
    ~Reactions() = default;
};

class Events {
public:
    explicit Events(Reactions& reactions) noexcept : reactions_(reactions) {}
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;

    void run_pending();

    Signal unlocked;      // a read lock was released, or an epoch has ended
    Signal barrier_moved; // a HELD, a session's begin or end, a tick, the end of a commit or of a hold
    Signal room;          // an operation has ended
    Signal ticked;
    bool state_dirty = false;
    bool release_dirty = false;

    bool stopping = false;
    std::uint32_t operations = 0; // under way
    std::uint64_t now = 0;        // of the latest tick, ns

private:
    Reactions& reactions_;
    bool settling_ = false;
};

} // namespace ddsnap

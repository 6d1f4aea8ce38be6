// SPDX-License-Identifier: GPL-2.0
// Who may go on: a bounded number of operations at a time, and one at a time of those that change the
// snapshot table, the attachments or a length.
//
// Use: while (gate.full()) { co_await gate.admission(); } const Gate::Admission admitted(gate);
// and the same with locked(), turn() and Lock. The next in line runs when it goes.
//
// May call: nothing. What waits here is resumed from within the destructors, never deeper than one call.
#pragma once

#include "snapstore/task.h"

namespace snapstore {

class Gate {
public:
    explicit Gate(std::uint32_t most) noexcept : most_(most) {}
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    bool full() const noexcept { return active_ >= most_; }
    bool idle() const noexcept { return active_ == 0; }
    WaitQueue::Waiter admission() noexcept { return admission_.wait(); }

    bool locked() const noexcept { return locked_; }
    WaitQueue::Waiter turn() noexcept { return turn_.wait(); }

    class Admission {
    public:
        explicit Admission(Gate& gate) noexcept : gate_(gate) { ++gate_.active_; }
        Admission(const Admission&) = delete;
        Admission& operator=(const Admission&) = delete;
        ~Admission()
        {
            --gate_.active_;
            gate_.let_in();
        }

    private:
        Gate& gate_;
    };

    class Lock {
    public:
        explicit Lock(Gate& gate) noexcept : gate_(gate) { gate_.locked_ = true; }
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        ~Lock()
        {
            gate_.locked_ = false;
            gate_.let_in();
        }

    private:
        Gate& gate_;
    };

private:
    void let_in() noexcept
    {
        if (letting_in_) {
            return; // the loop below is further up the stack
        }
        letting_in_ = true;
        for (;;) {
            if (active_ < most_ && !admission_.empty()) {
                admission_.wake_one();
            } else if (!locked_ && !turn_.empty()) {
                turn_.wake_one();
            } else {
                break;
            }
        }
        letting_in_ = false;
    }

    std::uint32_t most_;
    std::uint32_t active_ = 0;
    WaitQueue admission_;
    bool locked_ = false;
    WaitQueue turn_;
    bool letting_in_ = false;
};

} // namespace snapstore

// SPDX-License-Identifier: GPL-2.0
// With a lock held nobody is waited for who may take as long as they like: a person who is asked, another
// host. Everybody else would wait with them: a question that was left open on some terminal would end a
// volume's snapshots.
//
//   a volume's lock     neither a question nor another host
//   a stream's lock     no question; another host, yes: it says who replicates, keeps a second one out of the
//                       same replica, and hinders nothing else (stream_lock.h ends one whose peer has gone)
//
// Locks are counted where they are taken (lock.cpp), and those who wait ask here first: a command that does
// it in the wrong order fails, every time, also where nobody had to wait.
#pragma once

namespace zumastor {

enum class LockKind { volume, stream };

// One is held as long as this lives. It can be moved.
class HeldLock {
public:
    explicit HeldLock(LockKind kind) noexcept;
    HeldLock(HeldLock&& other) noexcept;
    HeldLock& operator=(HeldLock&& other) = delete;
    HeldLock(const HeldLock&) = delete;
    HeldLock& operator=(const HeldLock&) = delete;
    ~HeldLock();

private:
    LockKind kind_;
    bool counted_ = true;
};

// Throw std::logic_error, a mistake of this program's, if this process has a lock that forbids it.
void about_to_ask();
void about_to_wait_for_peer();

} // namespace zumastor

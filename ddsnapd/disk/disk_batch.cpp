// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/disk/disk_batch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <numeric>

// Not io_uring: it hands writes to a device that cannot say "would block", as device-mapper targets, to
// threads of its own, few of them. Linux AIO submits such writes where it is called.
#include <libaio.h>

namespace ddsnap {
namespace {

constexpr std::size_t kDepth = 128; // under way at once, of one thread

// A thread's own queue, made when it first needs one.
class Queue {
public:
    Queue() noexcept { ready_ = ::io_setup(kDepth, &context_) == 0; }
    ~Queue()
    {
        if (ready_) {
            ::io_destroy(context_);
        }
    }
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    bool ready() const noexcept { return ready_; }
    io_context_t context() const noexcept { return context_; }

private:
    io_context_t context_ = nullptr;
    bool ready_ = false;
};

std::size_t length_of(const DiskOp& op) { return op.writes() ? op.output.size() : op.input.size(); }
const std::byte* buffer_of(const DiskOp& op) { return op.writes() ? op.output.data() : op.input.data(); }

// What is left of it after `done` bytes.
void do_now(DiskOp& op, std::size_t done)
{
    const bool good = op.writes() ? op.disk->write(op.offset + done, op.output.subspan(done))
                                  : op.disk->read(op.offset + done, op.input.subspan(done));
    op.error = good ? 0 : (errno != 0 ? errno : EIO); // the end of a file sets none
}

void prepare(iocb& control, DiskOp& op)
{
    const auto offset = static_cast<long long>(op.offset);
    if (op.writes()) { // the interface knows no const
        ::io_prep_pwrite(&control, op.disk->fd(), const_cast<std::byte*>(op.output.data()), op.output.size(),
                         offset);
    } else {
        ::io_prep_pread(&control, op.disk->fd(), op.input.data(), op.input.size(), offset);
    }
    control.data = &op;
}

void conclude(const io_event& event)
{
    DiskOp& op = *static_cast<DiskOp*>(event.data);
    const auto result = static_cast<long>(event.res);
    if (result < 0) {
        op.error = static_cast<int>(-result);
    } else if (const auto done = static_cast<std::size_t>(result); done < length_of(op)) {
        errno = 0;
        do_now(op, done);
    } else {
        op.error = 0;
    }
}

void collect(io_context_t context, std::size_t count)
{
    std::array<io_event, kDepth> events{};
    while (count > 0) {
        const int n = ::io_getevents(context, 1, static_cast<long>(count), events.data(), nullptr);
        for (int i = 0; i < n; ++i) {
            conclude(events[static_cast<std::size_t>(i)]);
        }
        count -= n > 0 ? static_cast<std::size_t>(n) : 0; // else a signal came
    }
}

// At most kDepth of them. How many were handed in and have ended; the next one was refused.
std::size_t run_some(io_context_t context, std::span<DiskOp> ops)
{
    std::array<iocb, kDepth> controls;
    std::array<iocb*, kDepth> list{};
    for (std::size_t i = 0; i < ops.size(); ++i) {
        prepare(controls[i], ops[i]);
        list[i] = &controls[i];
    }
    std::size_t submitted = 0;
    while (submitted < ops.size()) {
        const int n = ::io_submit(context, static_cast<long>(ops.size() - submitted), &list[submitted]);
        if (n <= 0 && n != -EINTR) {
            break;
        }
        submitted += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    collect(context, submitted);
    return submitted;
}

} // namespace

std::vector<std::size_t> disk_order(std::span<const DiskOp> ops)
{
    std::vector<std::size_t> order(ops.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return ops[a].disk != ops[b].disk ? std::less<>{}(ops[a].disk, ops[b].disk)
                                          : ops[a].offset < ops[b].offset;
    });
    return order;
}

void run_all(std::span<DiskOp> ops)
{
    static thread_local const Queue queue;
    while (!ops.empty()) {
        std::size_t count = 0;
        while (queue.ready() && count < std::min(ops.size(), kDepth) && is_aligned(buffer_of(ops[count]))) {
            ++count;
        }
        const std::size_t done = count > 1 ? run_some(queue.context(), ops.first(count)) : 0;
        ops = ops.subspan(done);
        if (done < count || count <= 1) { // it is the only one, or cannot be handed in: it says why itself
            errno = 0;
            do_now(ops.front(), 0);
            ops = ops.subspan(1);
        }
    }
}

} // namespace ddsnap

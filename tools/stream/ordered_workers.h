// SPDX-License-Identifier: GPL-2.0
// A bounded stage of a pipeline: several threads work on jobs, the results come out in the jobs' order. One
// thread drives it: put() and take() are for that thread alone.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace zumastor {

template <class Job, class Output>
class OrderedWorkers {
public:
    using Work = std::function<Output(Job&)>;

    // `make` is called once per thread, on the caller's, and gives that thread's own function, which
    // may keep buffers. At most `window` jobs are inside at any time.
    OrderedWorkers(std::size_t threads, std::size_t window, const std::function<Work()>& make)
        : window_(window)
    {
        for (std::size_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this, work = make()] { run(work); });
        }
    }
    // Jobs that have not begun are dropped; waits for those that have.
    ~OrderedWorkers()
    {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) {
            thread.join();
        }
    }
    OrderedWorkers(const OrderedWorkers&) = delete;
    OrderedWorkers& operator=(const OrderedWorkers&) = delete;

    bool empty() const noexcept { return results_.empty(); }
    bool full() const noexcept { return results_.size() >= window_; }

    // take() would not wait.
    bool ready() const
    {
        return !results_.empty() &&
               results_.front().wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }

    // Must not be full.
    void put(Job job)
    {
        std::packaged_task<Output(const Work&)> task(
            [job = std::move(job)](const Work& work) mutable { return work(job); });
        results_.push_back(task.get_future());
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(task));
        }
        wake_.notify_one();
    }

    // The oldest job's result, waited for; what its function threw, thrown again. Must not be empty.
    Output take()
    {
        std::future<Output> result = std::move(results_.front());
        results_.pop_front();
        return result.get();
    }

private:
    void run(const Work& work)
    {
        for (;;) {
            std::packaged_task<Output(const Work&)> task;
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
                if (stopping_) {
                    return;
                }
                task = std::move(waiting_.front());
                waiting_.pop_front();
            }
            task(work);
        }
    }

    const std::size_t window_;
    std::deque<std::future<Output>> results_; // the driver's
    std::mutex mutex_;                        // of what follows
    std::condition_variable wake_;
    std::deque<std::packaged_task<Output(const Work&)>> waiting_;
    bool stopping_ = false;
    std::vector<std::thread> threads_; // last: they use the rest
};

} // namespace zumastor

// SPDX-License-Identifier: GPL-2.0
// Coroutines of the engine: Task<T>, frames from a fixed pool, a wait queue and awaitable I/O.
//
// Task<T> is lazy: its body runs when it is awaited (symmetric transfer) or spawned. Exactly one thread
// runs all of it. A coroutine takes its frame from the FramePool found in its arguments: the object of a
// member coroutine or any parameter that is a FramePool or has frames(). No globals, and once the pool
// is warm no allocation.
#pragma once

#include <array>
#include <cassert>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "snapstore/block_device.h"

namespace snapstore {

// Free lists of memory blocks in a few size classes. A frame that finds its list empty is taken from the
// heap once (counted by misses()) and stays in the pool afterwards; reserve() does that ahead of time.
// Not thread-safe.
class FramePool {
public:
    FramePool() = default;
    FramePool(const FramePool&) = delete;
    FramePool& operator=(const FramePool&) = delete;
    ~FramePool()
    {
        for (Node*& head : free_) {
            while (head != nullptr) {
                std::free(std::exchange(head, head->next));
            }
        }
    }

    void* allocate(std::size_t bytes)
    {
        const std::size_t cls = size_class(bytes + kHeader);
        Node* node = free_[cls];
        if (node != nullptr) {
            free_[cls] = node->next;
        } else {
            node = make(cls);
            ++misses_;
        }
        node->pool = this;
        node->cls = cls;
        ++live_;
        return reinterpret_cast<std::byte*>(node) + kHeader;
    }

    static void release(void* frame) noexcept
    {
        auto* node = reinterpret_cast<Node*>(static_cast<std::byte*>(frame) - kHeader);
        FramePool& pool = *node->pool;
        --pool.live_;
        node->next = pool.free_[node->cls];
        pool.free_[node->cls] = node;
    }

    // Puts `count` blocks of every size class up to `largest` bytes into the pool.
    void reserve(std::size_t count, std::size_t largest = 2048)
    {
        const std::size_t last = size_class(largest + kHeader);
        for (std::size_t cls = 0; cls <= last; ++cls) {
            for (std::size_t i = 0; i < count; ++i) {
                Node* node = make(cls);
                node->next = free_[cls];
                free_[cls] = node;
            }
        }
    }

    std::uint64_t misses() const noexcept { return misses_; } // heap allocations on demand so far
    std::uint64_t live() const noexcept { return live_; }     // frames in use
    FramePool& frames() noexcept { return *this; }

private:
    static constexpr std::size_t kClasses = 10; // 128 B … 64 KiB
    static constexpr std::size_t kSmallest = 128;
    static constexpr std::size_t kHeader = 32;

    struct Node {
        Node* next;
        FramePool* pool;
        std::size_t cls;
    };
    static_assert(sizeof(Node) <= kHeader);

    static std::size_t size_class(std::size_t bytes) noexcept
    {
        std::size_t cls = 0;
        while ((kSmallest << cls) < bytes) {
            ++cls;
        }
        assert(cls < kClasses);
        return cls;
    }
    static Node* make(std::size_t cls)
    {
        void* memory = std::malloc(kSmallest << cls);
        if (memory == nullptr) {
            throw std::bad_alloc();
        }
        return new (memory) Node{};
    }

    std::array<Node*, kClasses> free_{};
    std::uint64_t misses_ = 0;
    std::uint64_t live_ = 0;
};

namespace detail {

template <class T>
concept HasFrames = requires(T& t)
{
    {
        t.frames()
        } -> std::convertible_to<FramePool&>;
};

template <class First, class... Rest>
FramePool& find_frames(First& first, Rest&... rest)
{
    if constexpr (HasFrames<First>) {
        return first.frames();
    } else {
        static_assert(sizeof...(Rest) > 0, "a Task coroutine needs an argument with frames()");
        return find_frames(rest...);
    }
}

struct PromiseBase {
    std::coroutine_handle<> continuation;

    template <class... Args>
    static void* operator new(std::size_t bytes, Args&... args)
    {
        return find_frames(args...).allocate(bytes);
    } // NOLINTNEXTLINE(misc-new-delete-overloads): the counterpart of the template
    static void operator delete(void* frame) noexcept { FramePool::release(frame); }

    std::suspend_always initial_suspend() noexcept { return {}; }

    struct Final {
        bool await_ready() noexcept { return false; }
        template <class P>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept
        {
            auto next = h.promise().continuation;
            return next ? next : std::noop_coroutine();
        }
        void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { std::terminate(); }
};

} // namespace detail

template <class T = void>
class [[nodiscard]] Task;

namespace detail {

template <class T>
struct Promise : PromiseBase {
    std::optional<T> value;
    Task<T> get_return_object() noexcept;
    template <class U>
    void return_value(U&& v)
    {
        value.emplace(std::forward<U>(v));
    }
    T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
    Task<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void take() noexcept {}
};

} // namespace detail

template <class T>
class [[nodiscard]] Task {
public:
    using promise_type = detail::Promise<T>;
    using Handle = std::coroutine_handle<promise_type>;

    Task() = default;
    explicit Task(Handle h) noexcept : handle_(h) {}
    Task(Task&& o) noexcept : handle_(std::exchange(o.handle_, {})) {}
    Task& operator=(Task&& o) noexcept
    {
        if (this != &o) {
            destroy();
            handle_ = std::exchange(o.handle_, {});
        }
        return *this;
    }
    ~Task() { destroy(); }

    bool await_ready() const noexcept { return false; }
    Handle await_suspend(std::coroutine_handle<> awaiting) noexcept
    {
        handle_.promise().continuation = awaiting;
        return handle_;
    }
    T await_resume() { return handle_.promise().take(); }

private:
    void destroy() noexcept
    {
        if (handle_) {
            handle_.destroy();
            handle_ = {};
        }
    }
    Handle handle_;
};

namespace detail {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept
{
    return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept
{
    return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

// The coroutine behind spawn(): owns the task, destroys itself at the end.
struct Detached {
    struct promise_type {
        template <class... Args>
        static void* operator new(std::size_t bytes, Args&... args)
        {
            return find_frames(args...).allocate(bytes);
        } // NOLINTNEXTLINE(misc-new-delete-overloads): the counterpart of the template
        static void operator delete(void* frame) noexcept { FramePool::release(frame); }
        Detached get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

inline Detached run_detached([[maybe_unused]] FramePool& frames, Task<void> task) { co_await task; }

} // namespace detail

// Starts `task` now; it runs until its first suspension before spawn() returns, and frees itself at its end.
inline void spawn(FramePool& frames, Task<void> task) { detail::run_detached(frames, std::move(task)); }

// A FIFO of suspended coroutines. wake_*() resumes them from within the call, in order. Waiters that queue
// up again while wake_all() runs are not woken by that call. Allocates nothing.
class WaitQueue {
public:
    WaitQueue() = default;
    WaitQueue(const WaitQueue&) = delete;
    WaitQueue& operator=(const WaitQueue&) = delete;

    class Waiter {
    public:
        explicit Waiter(WaitQueue& q) noexcept : queue_(q) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) noexcept
        {
            handle_ = h;
            queue_.push(this);
        }
        void await_resume() const noexcept {}

    private:
        friend class WaitQueue;
        WaitQueue& queue_;
        std::coroutine_handle<> handle_;
        Waiter* next_ = nullptr;
    };

    Waiter wait() noexcept { return Waiter(*this); }
    bool empty() const noexcept { return head_ == nullptr; }
    void wake_one()
    {
        if (Waiter* w = head_; w != nullptr) {
            head_ = w->next_;
            if (head_ == nullptr) {
                tail_ = nullptr;
            }
            w->handle_.resume();
        }
    }
    void wake_all()
    {
        Waiter* w = std::exchange(head_, nullptr);
        tail_ = nullptr;
        while (w != nullptr) {
            Waiter* next = w->next_; // before resume(): the waiter lives in the resumed frame
            w->handle_.resume();
            w = next;
        }
    }

private:
    void push(Waiter* w) noexcept
    {
        w->next_ = nullptr;
        (tail_ != nullptr ? tail_->next_ : head_) = w;
        tail_ = w;
    }
    Waiter* head_ = nullptr;
    Waiter* tail_ = nullptr;
};

// co_await DeviceIo(device, op, offset, buffer) -> IoStatus. The request lives in the awaiting frame.
class DeviceIo {
public:
    DeviceIo(BlockDevice& device, IoRequest::Op op, Bytes offset = {},
             std::span<std::byte> buffer = {}) noexcept
        : device_(device)
    {
        request_.op = op;
        request_.offset = offset;
        request_.buffer = buffer;
        request_.context = this;
        request_.on_complete = [](IoRequest& r) noexcept {
            static_cast<DeviceIo*>(r.context)->handle_.resume();
        };
    }
    DeviceIo(const DeviceIo&) = delete;
    DeviceIo& operator=(const DeviceIo&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept
    {
        handle_ = h;
        device_.submit(request_);
    }
    IoStatus await_resume() const noexcept { return request_.status; }

private:
    BlockDevice& device_;
    IoRequest request_;
    std::coroutine_handle<> handle_;
};

} // namespace snapstore

// SPDX-License-Identifier: GPL-2.0
// Replaces malloc and its relatives by ones that count and call glibc's. operator new comes here too.
#include "ddsnapd/daemon/allocations.h"

#include <cerrno>
#include <cstddef>

// NOLINTBEGIN(bugprone-reserved-identifier): glibc's own names
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}
// NOLINTEND(bugprone-reserved-identifier)

namespace {
thread_local std::uint64_t counted __attribute__((tls_model("initial-exec"))) = 0;
}

extern "C" {

void* malloc(std::size_t size)
{
    ++counted;
    return __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size)
{
    ++counted;
    return __libc_calloc(count, size);
}

void* realloc(void* memory, std::size_t size)
{
    ++counted;
    return __libc_realloc(memory, size);
}

void* memalign(std::size_t alignment, std::size_t size)
{
    ++counted;
    return __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }

int posix_memalign(void** memory, std::size_t alignment, std::size_t size)
{
    void* const result = memalign(alignment, size);
    if (result == nullptr) {
        return ENOMEM;
    }
    *memory = result;
    return 0;
}

} // extern "C"

namespace ddsnap::daemon {

std::optional<std::function<std::uint64_t()>> allocation_counter()
{
    return []() { return counted; }; // called on the daemon's thread
}

} // namespace ddsnap::daemon

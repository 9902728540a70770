// Running one function on several threads of a small pool.
#pragma once

#include <cstddef>
#include <functional>

namespace slimvec {

// Calls work(0) ... work(n_parts - 1), once each, work(0) on the calling thread, and returns when all are done. Parts
// that no thread of the pool has taken by then run on the calling thread too: threads that are busy, missing or were
// never given by the system cost time, not answers. The exception of the lowest-numbered part that threw is rethrown.
// While it waits for others, the calling thread runs `while_waiting`, which must not throw, every 20 ms.
//
// Threads are started when first needed, and wait for the next call. A forked child starts threads of its own.
void run_parallel(std::size_t n_parts, const std::function<void(std::size_t)>& work,
                  const std::function<void()>& while_waiting = nullptr);

}  // namespace slimvec

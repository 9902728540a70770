// Running one function on several threads. Threads live for one call: nothing is shared between calls, so forking
// and unloading are safe, and starting a thread (15 to 35 us on an EPYC Turin) is paid only by work that is worth it.
#pragma once

#include <cstddef>
#include <functional>

namespace slimvec {

// Calls work(0) ... work(n_threads - 1), each on a thread of its own, work(0) on the calling one, and returns when all
// are done. n_threads must be at least 1. The exception of the lowest-numbered part that threw is rethrown.
void run_parallel(std::size_t n_threads, const std::function<void(std::size_t)>& work);

}  // namespace slimvec

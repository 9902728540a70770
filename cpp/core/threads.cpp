#include "core/threads.hpp"

#include <exception>
#include <thread>
#include <vector>

namespace slimvec {

void run_parallel(std::size_t n_threads, const std::function<void(std::size_t)>& work) {
  std::vector<std::exception_ptr> errors(n_threads);
  const auto guarded = [&](std::size_t part) {
    try {
      work(part);
    } catch (...) {
      errors[part] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(n_threads);
  std::size_t started = 1;
  try {
    for (; started < n_threads; ++started) threads.emplace_back(guarded, started);
  } catch (...) {
    // The system gives no more threads, or no memory for one: the parts left over run here, with the same result.
  }
  guarded(0);
  for (std::size_t part = started; part < n_threads; ++part) guarded(part);
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace slimvec

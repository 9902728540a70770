#include <pthread.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "check.hpp"
#include "core/threads.hpp"

using namespace slimvec;

namespace {

std::set<std::thread::id> threads_used(std::size_t n_threads) {
  std::vector<std::atomic<int>> calls(n_threads);
  std::vector<std::thread::id> ids(n_threads);
  run_parallel(n_threads, [&](std::size_t part) {
    ++calls[part];
    ids[part] = std::this_thread::get_id();
  });
  for (const std::atomic<int>& count : calls) CHECK(count == 1);
  CHECK(ids[0] == std::this_thread::get_id());
  return {ids.begin(), ids.end()};
}

}  // namespace

int main() {
  for (std::size_t n_threads : {1u, 2u, 5u}) CHECK(threads_used(n_threads).size() == n_threads);
  try {
    run_parallel(4, [](std::size_t part) {
      if (part >= 2) throw std::runtime_error(std::to_string(part));
    });
    CHECK(false);
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "2");
  }
#ifdef __GLIBC__
  // No thread can start with a stack larger than the address space: all parts must run on this one.
  pthread_attr_t attributes;
  CHECK(pthread_attr_init(&attributes) == 0);
  CHECK(pthread_attr_setstacksize(&attributes, std::size_t{1} << 60) == 0);
  CHECK(pthread_setattr_default_np(&attributes) == 0);
  CHECK(threads_used(5).size() == 1);
#endif
  std::printf("parallel parts run once each, on threads of their own; errors arrive\n");
}

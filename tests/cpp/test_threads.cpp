#if !defined(_WIN32)
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "check.hpp"
#include "core/interrupt.hpp"
#include "core/threads.hpp"

using namespace slimvec;

namespace {

// Every part runs once; with `together`, each waits until all have started, which needs a thread for each.
std::set<std::thread::id> threads_used(std::size_t n_parts, bool together) {
  std::vector<std::atomic<int>> calls(n_parts);
  std::vector<std::thread::id> ids(n_parts);
  std::atomic<std::size_t> started{0};
  run_parallel(n_parts, [&](std::size_t part) {
    ++calls[part];
    ids[part] = std::this_thread::get_id();
    ++started;
    while (together && started < n_parts) std::this_thread::yield();
  });
  for (const std::atomic<int>& count : calls) CHECK(count == 1);
  CHECK(ids[0] == std::this_thread::get_id());
  return {ids.begin(), ids.end()};
}

void test_without_threads() {
#ifdef __GLIBC__
  // No thread can start with a stack larger than the address space: all parts must run on this one.
  pthread_attr_t attributes;
  CHECK(pthread_getattr_default_np(&attributes) == 0);
  std::size_t usual = 0;
  CHECK(pthread_attr_getstacksize(&attributes, &usual) == 0);
  CHECK(pthread_attr_setstacksize(&attributes, std::size_t{1} << 60) == 0);
  CHECK(pthread_setattr_default_np(&attributes) == 0);
  CHECK(threads_used(5, false).size() == 1);
  CHECK(pthread_attr_setstacksize(&attributes, usual) == 0);
  CHECK(pthread_setattr_default_np(&attributes) == 0);
#endif
}

void test_errors() {
  try {
    run_parallel(4, [](std::size_t part) {
      if (part >= 2) throw std::runtime_error(std::to_string(part));
    });
    CHECK(false);
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "2");
  }
}

// Many callers at once, more than the pool has threads for.
void test_callers_side_by_side() {
  std::atomic<std::size_t> parts{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&parts] {
      for (int call = 0; call < 200; ++call) {
        std::atomic<std::size_t> mine{0};
        run_parallel(3, [&](std::size_t) { ++mine; });
        CHECK(mine == 3);
        parts += mine;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(parts == 8 * 200 * 3);
}

void test_waiting() {
  std::atomic<bool> may_end{false};
  const std::thread::id caller = std::this_thread::get_id();
  run_parallel(
      2,
      [&](std::size_t part) {
        while (part == 1 && std::this_thread::get_id() != caller && !may_end) std::this_thread::yield();
      },
      [&] { may_end = true; });
}

// ThreadSanitizer and emulators do not follow threads across a fork.
#if !defined(__SANITIZE_THREAD__) && !defined(SLIMVEC_EMULATED) && !defined(_WIN32)
#define SLIMVEC_TEST_FORK
// A child has none of its parent's threads; it must not wait for them.
void test_fork() {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(threads_used(3, true).size() == 3 ? 0 : 1);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(threads_used(3, true).size() == 3);
}
#endif

void test_interrupt() {
  Interrupt never(nullptr), at_once([] { return true; }), after_all([] { return false; });
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  for (int i = 0; i < 100; ++i) never.check();
  for (int i = 0; i < 100; ++i) after_all.check();
  at_once.ask();
  CHECK_THROWS(at_once.check(), Interrupted);
  CHECK_THROWS(at_once.finish(), Interrupted);
  CHECK_THROWS(run_parallel(2, [&](std::size_t) { at_once.check(); }), Interrupted);
}

}  // namespace

int main() {
  test_without_threads();
  if (!kHasThreads) {
    CHECK(threads_used(5, false).size() == 1);
    test_errors();
    test_waiting();
    test_interrupt();
    std::printf("without threads, parallel parts run once each, on the one that there is\n");
    return 0;
  }
  for (std::size_t n_parts : {1u, 2u, 5u}) CHECK(threads_used(n_parts, true).size() == n_parts);
  test_errors();
  test_callers_side_by_side();
  test_waiting();
#ifdef SLIMVEC_TEST_FORK
  test_fork();
#endif
  test_interrupt();
  std::printf("parallel parts run once each, on threads of their own; errors arrive; children have their own pool\n");
}

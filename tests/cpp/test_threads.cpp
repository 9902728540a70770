#include <atomic>
#include <stdexcept>
#include <string>

#include "check.hpp"
#include "core/threads.hpp"

using namespace slimvec;

int main() {
  for (std::size_t n_threads : {1u, 2u, 5u}) {
    std::vector<std::atomic<int>> calls(n_threads);
    run_parallel(n_threads, [&](std::size_t part) { ++calls[part]; });
    for (const std::atomic<int>& count : calls) CHECK(count == 1);
  }
  try {
    run_parallel(4, [](std::size_t part) {
      if (part >= 2) throw std::runtime_error(std::to_string(part));
    });
    CHECK(false);
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "2");
  }
  std::printf("parallel parts run once each; errors arrive\n");
}

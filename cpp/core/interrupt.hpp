// Letting whoever made a long call stop it.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>

namespace slimvec {

struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

// Shared by the threads that work on one call. Only the thread that made the call asks whether to stop, because
// only it may: Python's signal handlers run on one thread.
class Interrupt {
 public:
  using Question = bool (*)();  // "should this stop?", asked every 50 ms or so; null: never

  explicit Interrupt(Question question) : question_(question) {}

  // To be called every few microseconds of work. Throws Interrupted once the answer was yes.
  void check() {
    if (std::this_thread::get_id() == caller_ && ++calls_ % kCallsPerClock == 0) ask();
    if (stopped_.load(std::memory_order_relaxed)) throw Interrupted();
  }

  // At the end of the call, when every thread is done: an interrupt that none of them noticed still counts.
  void finish() const {
    if (stopped_) throw Interrupted();
  }

  // On the calling thread only; does not throw.
  void ask() {
    const Clock::time_point now = Clock::now();
    if (!question_ || stopped_ || now - asked_ < std::chrono::milliseconds(50)) return;
    asked_ = now;
    if (question_()) stopped_ = true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr unsigned kCallsPerClock = 16;  // reading the clock costs some 25 ns

  const Question question_;
  const std::thread::id caller_ = std::this_thread::get_id();
  unsigned calls_ = 0;
  Clock::time_point asked_ = question_ ? Clock::now() : Clock::time_point();
  std::atomic<bool> stopped_{false};
};

}  // namespace slimvec

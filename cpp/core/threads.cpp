#include "core/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/platform.hpp"

namespace slimvec {

namespace {

// One call of run_parallel; lives on the stack of the caller, who leaves only when no thread holds a part of it.
struct Job {
  Job(std::size_t parts, const std::function<void(std::size_t)>& function)
      : n_parts(parts), work(function), errors(parts) {}

  const std::size_t n_parts;
  const std::function<void(std::size_t)>& work;
  std::vector<std::exception_ptr> errors;
  std::size_t next = 1;     // the first part that nobody has taken; 0 is the caller's
  std::size_t running = 0;  // parts in the hands of the pool
  std::condition_variable finished;

  void run(std::size_t part) {
    try {
      work(part);
    } catch (...) {
      errors[part] = std::current_exception();
    }
  }
};

class Pool {
 public:
  void run(Job& job, const std::function<void()>& while_waiting) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      start_threads(job.n_parts - 1);
      waiting_.push_back(&job);
    }
    for (std::size_t part = 1; part < job.n_parts; ++part) work_to_do_.notify_one();
    job.run(0);
    std::unique_lock<std::mutex> lock(mutex_);
    while (job.next < job.n_parts) {
      const std::size_t part = take(job);
      lock.unlock();
      job.run(part);
      lock.lock();
    }
    while (job.running > 0) {
      job.finished.wait_for(lock, std::chrono::milliseconds(20));
      if (!while_waiting) continue;
      lock.unlock();
      while_waiting();
      lock.lock();
    }
  }

  const std::uint64_t process = process_id();

 private:
  // The caller holds the mutex. Job leaves the queue with its last part.
  std::size_t take(Job& job) {
    const std::size_t part = job.next++;
    if (job.next == job.n_parts) waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &job));
    return part;
  }

  void start_threads(std::size_t n_threads) {
    try {
      for (; n_threads_ < n_threads; ++n_threads_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
      // The system gives no more threads: the caller does what is left.
    }
  }

  [[noreturn]] void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      work_to_do_.wait(lock, [this] { return !waiting_.empty(); });
      Job& job = *waiting_.front();
      const std::size_t part = take(job);
      ++job.running;
      lock.unlock();
      job.run(part);
      lock.lock();
      if (--job.running == 0) job.finished.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_to_do_;
  std::deque<Job*> waiting_;  // jobs with parts to take
  std::size_t n_threads_ = 0;
};

// The pool of this process. Never destroyed, because its threads may outlive main(); after a fork the parent's
// threads are gone, so the child makes its own pool and forgets the copy, whose mutex may be held by nobody for ever.
Pool& pool() {
  static std::atomic<Pool*> shared{nullptr};
  Pool* current = shared.load();
  while (!current || current->process != process_id()) {
    Pool* fresh = new Pool;
    if (shared.compare_exchange_strong(current, fresh)) return *fresh;
    delete fresh;
  }
  return *current;
}

}  // namespace

void run_parallel(std::size_t n_parts, const std::function<void(std::size_t)>& work,
                  const std::function<void()>& while_waiting) {
  if (n_parts == 1) return work(0);
  Job job(n_parts, work);
  pool().run(job, while_waiting);
  for (const std::exception_ptr& error : job.errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace slimvec

// What is made when it is first asked for, by one thread, and kept.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

namespace slimvec {

// Where making fails, the next one who asks tries again; std::call_once does not promise that everywhere.
template <typename T>
class Lazy {
 public:
  template <typename Make>
  const T& get(const Make& make) const {
    if (const T* made = ready_.load(std::memory_order_acquire)) return *made;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!made_) made_ = std::make_unique<T>(make());
    ready_.store(made_.get(), std::memory_order_release);
    return *made_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::unique_ptr<T> made_;
  mutable std::atomic<const T*> ready_{nullptr};
};

}  // namespace slimvec

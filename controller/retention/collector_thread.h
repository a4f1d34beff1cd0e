// Runs the collector by itself: after each backup that succeeded, and once a day.
//
// Hides:      the thread and its waiting.
// Invariants: the destructor stops a run between two of its steps and waits for it; one run that
//             failed is logged and tried again after the next success or an hour later.
// Threading:  every method from any thread.
#pragma once

#include <atomic>
#include <thread>

#include "controller/retention/collector.h"

namespace holdfast::retention {

class CollectorThread {
 public:
  CollectorThread(Clock& clock, Collector& collector);
  ~CollectorThread();
  void Wake() { woken_ = true; }

 private:
  void Work(std::stop_token stop);

  Clock& clock_;
  Collector& collector_;
  std::atomic<bool> woken_{true};  // what a predecessor left half done
  std::jthread thread_;            // last: stopped before the rest goes
};

}  // namespace holdfast::retention

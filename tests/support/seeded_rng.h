// Randomness that is the same in every run, from a seed.
#pragma once

#include <mutex>
#include <random>

#include "common/env/random.h"

namespace holdfast::test {

class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : generator_(seed) {}
  void Fill(char* data, std::size_t size) override {
    std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<char>(generator_());
  }

 private:
  std::mutex mutex_;
  std::mt19937_64 generator_;
};

}  // namespace holdfast::test

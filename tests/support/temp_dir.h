// A directory of its own for one test, removed at the end.
#pragma once

#include <string>

namespace holdfast::test {

class TempDir {
 public:
  TempDir();
  explicit TempDir(const std::string& under);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace holdfast::test

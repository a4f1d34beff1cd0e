// A directory tree with everything that is hard to back up, for comparisons after a restore.
//
// Names of any bytes, holes, hardlinks, xattrs and ACLs, times before 1970, a tree thousands of
// levels deep, FIFO and socket, link loops, setuid, mode 0. What the file system or the user may
// not do (devices, ACLs) is left out, the rest is asserted.
#pragma once

#include <string>

namespace holdfast::test {

struct NastyTreeOptions {
  int depth = 3000;
  bool unreadable_modes = true;  // mode 0 files and directories: for root only
};

// Fills the existing, empty directory `root`.
void MakeNastyTree(const std::string& root, const NastyTreeOptions& options);

// `depth` directories named "d" within each other, each with a file "z" beside it.
void MakeDeepTree(const std::string& path, int depth);

// Removes a tree of any depth.
void RemoveTree(const std::string& path);

// Runs compare_trees.py; the differences it prints, empty when the trees are equal.
// `flags`, e.g. "--ignore-owner", or empty.
std::string TreeDifferences(const std::string& expected, const std::string& actual,
                            const std::string& flags = "");

void WriteFileAt(const std::string& path, const std::string& content);
std::string ReadFileAt(const std::string& path);
void SetTime(const std::string& path, long seconds, long nanoseconds);

}  // namespace holdfast::test

// Goal: a string has the length that was asked for, and what was in it before.
#include "common/base/uninitialized.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Uninitialized, WhatWasThereStays) {
  Bytes bytes = "header";
  ResizeUninitialized(&bytes, 1'000'000);
  ASSERT_EQ(bytes.size(), 1'000'000u);
  EXPECT_EQ(bytes.substr(0, 6), "header");
  EXPECT_EQ(bytes.c_str()[bytes.size()], '\0');
  bytes.back() = 'x';  // all of it is ours
  ResizeUninitialized(&bytes, 3);
  EXPECT_EQ(bytes, "hea");
  ResizeUninitialized(&bytes, 0);
  EXPECT_EQ(bytes, "");
  EXPECT_EQ(UninitializedBytes(17).size(), 17u);
  EXPECT_EQ(UninitializedBytes(0), "");
}

}  // namespace
}  // namespace holdfast

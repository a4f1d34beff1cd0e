// The version that programs and protocol report.
//
// Hides:     nothing. CMakeLists.txt reads it from here.
// Threading: a constant.
#pragma once

namespace holdfast {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace holdfast

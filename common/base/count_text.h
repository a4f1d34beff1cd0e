// A number as people read it: 4210331 is "4,210,331".
// Threading:  pure.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

std::string CountText(std::uint64_t count);

}  // namespace holdfast

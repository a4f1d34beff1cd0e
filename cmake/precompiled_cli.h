// The same for the command line of operators, built at -O1: it waits for people.
#include <nlohmann/json.hpp>

#include "cmake/precompiled_base.h"

#include "CDriverABI.h"

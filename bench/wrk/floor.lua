-- The same request again and again, to a server that does nothing (bench/floor.py).
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
function init() request = common.repeated({ wrk.format("GET", "/") }) end
done = common.done
